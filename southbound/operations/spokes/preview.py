"""Run `southbound spokes preview`: show the requests that events would lead to, made by the code that sends them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import orjson

from consumers.spokes.credentials import OAuth2Auth, TlsSettings, secret_fields
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import do_nothing
from consumers.spokes.registry import spoke_for
from router.responses import HttpResponse
from router.timeline.bodies import MASK, is_secret_name
from schemas.codec.printable import printable
from schemas.files.event_file import EventFileError, read_events
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_text
from southbound.operations.input_file import read_input
from southbound.operations.spokes.planned_calls import NotSent, Planner
from southbound.operations.spokes.profiles import one_profile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.spokes.port import BeforeCall
    from consumers.spokes.profile import Profile
    from consumers.spokes.transport import HttpRequest
    from schemas.codec.envelope import Event
    from southbound.settings.settings import Settings

_MASKED = "SOUTHBOUND_SECRET_MASKED"
_SCHEME = re.compile(r"(Basic|Bearer) .*", re.DOTALL)
_TOKEN = HttpResponse(status=200, body=orjson.dumps({"access_token": MASK, "token_type": "Bearer", "expires_in": 3600}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedRequest:
    """A request that would be sent, without secrets; without a method, what is not sent, and why.

    `about` says what it does; `body` is JSON, a text, or None.
    """

    about: str
    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None

    def as_text(self) -> str:
        """Return it as HTTP writes it, with its body indented."""
        head = [f"# {self.about}", *([f"{self.method} {self.url}"] if self.method else [])]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body is None:
            return "\n".join(map(printable, head))
        text = self.body if isinstance(self.body, str) else orjson.dumps(self.body, option=orjson.OPT_INDENT_2).decode()
        return "\n".join([*map(printable, head), "", *map(printable, text.splitlines())])

    def as_json(self) -> str:
        """Return it as one JSON object."""
        return orjson.dumps(asdict(self) if self.method else {"about": self.about}).decode()


def preview_requests(settings: Settings, name: str, file: str, *, every: bool, as_json: bool) -> int:
    """Run `southbound spokes preview`.

    Raises:
        CommandFailedError: the profile or the file has mistakes.
    """
    profile = one_profile(settings, name)
    text, shown_name = read_input(file, "a file of events")
    try:
        events = read_events(text, file=shown_name, new_id=lambda: str(uuid4()))
    except EventFileError as error:
        raise invalid_input(map(str, error.mistakes)) from None
    previews = asyncio.run(preview(profile, events, every=every))
    for number, one in enumerate(previews):
        if as_json:
            print_json(one.as_json())
        else:
            print_text(one.as_text() if number == 0 else f"\n{one.as_text()}")
    return ExitCode.SUCCESS


async def preview(profile: Profile, events: Iterable[Event], *, every: bool = False) -> list[PreviewedRequest]:
    """Return what these events would send to the system of a profile, each run on its own.

    `every`: with the calls that follow an order, too: the look-up, the GET and the cancellation.

    Raises:
        CommandFailedError: an event is none about a run, or about one that no event before has requested.
    """
    masked, system, token_endpoint = _without_secrets(profile), _Recorder(), _Recorder(_TOKEN)
    token_url = profile.auth.token_url if isinstance(profile.auth, OAuth2Auth) else None
    transport = {token_url: token_endpoint}
    client = SpokeClient([masked], {_MASKED: MASK}, lambda reached: transport.get(reached.base_url, system))
    found: list[PreviewedRequest] = []
    for planned in Planner(spoke_for(profile), every=every).plan(events):
        if isinstance(planned, NotSent):
            found.append(PreviewedRequest(about=planned.about))
            continue
        await client.call(profile.name, planned.call)
        found.append(_shown(planned.about, system.requests[-1]))
    await client.close()
    return found


def _without_secrets(profile: Profile) -> Profile:
    """Return the profile with a mask for every secret; nor are files of certificates opened, or calls delayed."""
    masked = dict.fromkeys(secret_fields(profile.auth), f"env:{_MASKED}")
    return profile.model_copy(
        update={"auth": profile.auth.model_copy(update=masked), "tls": TlsSettings(), "rate_limit": None}
    )


@dataclass(slots=True)
class _Recorder:
    """A transport that records requests and sends nothing."""

    answer: HttpResponse = field(default_factory=lambda: HttpResponse(status=200))
    requests: list[HttpRequest] = field(default_factory=list)

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse:
        await before()
        self.requests.append(request)
        return self.answer

    async def close(self) -> None:
        """Do nothing."""


def _shown(about: str, request: HttpRequest) -> PreviewedRequest:
    headers = {name: _masked(name, value) for name, value in request.headers.items()}
    return PreviewedRequest(
        about=about, method=request.method, url=_masked_url(request.url), headers=headers, body=_body_of(request)
    )


def _masked(name: str, value: str) -> str:
    if not is_secret_name(name):
        return value
    return _SCHEME.sub(rf"\1 {MASK}", value) if _SCHEME.fullmatch(value) else MASK


def _masked_url(url: str) -> str:
    """Return an address whose parameters that are named like secrets, or have one, are masked."""
    query = urlsplit(url).query
    pairs = [
        f"{each.partition('=')[0]}={MASK}" if is_secret_name(name) or value == MASK else each
        for each in query.split("&")
        for name, value in parse_qsl(each, keep_blank_values=True)
    ]
    return f"{url.partition('?')[0]}?{'&'.join(pairs)}" if pairs else url


def _body_of(request: HttpRequest) -> object:
    if not request.body:
        return None
    try:
        body: object = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return request.body.decode(errors="replace")
    return body
