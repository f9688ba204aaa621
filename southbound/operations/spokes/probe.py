"""Run `southbound spokes probe`: find out which step on the way to a system fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from consumers.inbound.registration.progress import Answer, HubPhase
from consumers.spokes.credentials import NoAuth, SecretMissingError
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.profile import EndOfRun, LookUpMethod, ResultChannel
from consumers.spokes.registry import spoke_for
from consumers.spokes.security.client_tls import client_tls
from router.responses import NoResponse
from schemas.codec.printable import printable
from schemas.run_document import RunDocument, ServiceRef, SpecificationRef
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_text
from southbound.operations.spokes.probe_rules import (
    is_success,
    listed_runs,
    mistake_in_list,
    mistake_in_run,
    read_sentence,
)
from southbound.operations.spokes.profiles import one_profile
from southbound.service.composition.callback_addresses import hub_dialect, registration_mistakes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.spokes.port import Call, Spoke
    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from router.runs.reports.report import ExternalReport
    from southbound.settings.settings import Settings

_SOME_RUN = RunDocument(
    run_id="probe",
    name="probe",
    test_specification=SpecificationRef(id="probe"),
    related_service=ServiceRef(id="probe"),
)
_CREDENTIALS_REFUSED = (401, 403, 407)
_NOT_THERE = (404, 405, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """One step of a probe. `seconds` is how long it took."""

    step: str
    ok: bool
    detail: str
    seconds: float


def probe_spoke(settings: Settings, name: str, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Run `southbound spokes probe`.

    Raises:
        CommandFailedError: the profile has mistakes, or one of its secrets is missing.
    """
    profile = one_profile(settings, name)
    try:
        return asyncio.run(_print_steps(profile, environment, settings.listener.public_url, as_json=as_json))
    except SecretMissingError as error:
        raise invalid_input(str(error).splitlines()) from None


async def _print_steps(
    profile: Profile, environment: Mapping[str, str], public_url: str | None, *, as_json: bool
) -> int:
    code = ExitCode.SUCCESS
    async for step in probe(profile, environment, public_url):
        if as_json:
            print_json(orjson.dumps(asdict(step)).decode())
        else:
            print_text(f"{'ok' if step.ok else 'failed':<8}{step.step:<13}{step.detail} ({step.seconds:.3f} s)")
        code = code if step.ok else ExitCode.UNREACHABLE
    return code


async def probe(
    profile: Profile, environment: Mapping[str, str], public_url: str | None = None
) -> AsyncIterator[ProbeStep]:
    """Yield the steps up to the first that fails. `public_url` is the setting `listener.public_url`.

    Raises:
        SecretMissingError: a secret of the profile is missing.
    """
    client = SpokeClient([profile], environment)  # first, so that missing secrets are named before anything is tried
    try:
        async for step in _connection_steps(profile):
            yield step
            if not step.ok:
                return
        async for step in _list_steps(profile, client):
            yield step
            if not step.ok:
                return
        if profile.hub.registers:
            yield await probe_hub(profile, client, environment, public_url)
    finally:
        await client.close()


async def _connection_steps(profile: Profile) -> AsyncIterator[ProbeStep]:
    """Yield name, connection and TLS: to the proxy, if there is one, whose matter the rest is."""
    url = urlsplit(profile.proxy.url or profile.base_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    what = "proxy " if profile.proxy.url else ""
    began, addresses = time.monotonic(), list[str]()
    try:
        addresses = await asyncio.wait_for(_resolve(host, port), profile.timeouts.connect)
        yield _step("name", began, f"{what}{host} is {', '.join(addresses)}")
    except (OSError, TimeoutError, UnicodeError) as error:
        yield _step("name", began, f"{what}{host} cannot be resolved ({_cause(error)})", ok=False)
        return
    began = time.monotonic()
    try:
        await _connect(host, port, profile.timeouts.connect, None)
        yield _step("connection", began, f"{what}{host}:{port} accepts connections")
    except (OSError, TimeoutError) as error:
        yield _step("connection", began, f"{what}{host}:{port} accepts none ({_cause(error)})", ok=False)
        return
    if url.scheme == "https":
        yield await _tls_step(profile, host, port)


async def _tls_step(profile: Profile, host: str, port: int) -> ProbeStep:
    began, tls = time.monotonic(), client_tls(profile.tls)
    name = None if profile.proxy.url else profile.tls.server_name
    context = tls.current() if tls else ssl.create_default_context()
    try:
        version = await _connect(host, port, profile.timeouts.connect, context, name)
    except ssl.SSLCertVerificationError as error:
        return _step("TLS", began, f"the certificate of {host} is not valid ({error.verify_message})", ok=False)
    except (OSError, TimeoutError) as error:
        return _step("TLS", began, f"no TLS connection to {host} ({_cause(error)})", ok=False)
    return _step("TLS", began, f"{version}, the certificate of {host} is valid")


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))[:4]


async def _connect(
    host: str, port: int, seconds: float, context: ssl.SSLContext | None, server_name: str | None = None
) -> str:
    """Open a connection, and close it; return the version of TLS."""
    name = (server_name or host) if context else None
    opening = asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    _, writer = await asyncio.wait_for(opening, seconds)
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    version = tls.version() if tls is not None else None
    writer.transport.abort()
    return version or ""


async def _list_steps(profile: Profile, client: SpokeClient) -> AsyncIterator[ProbeStep]:
    """Yield what a GET of the list of runs shows: credentials and the path, and whether the answer is no list."""
    spoke = spoke_for(profile)
    began, call = time.monotonic(), spoke.to_list(0)
    response = await client.call(profile.name, call)
    if isinstance(response, NoResponse):
        # A client certificate that is missing, or a token endpoint that refuses, shows here.
        yield _step("credentials" if response.lacks_credentials else "answer", began, response.cause, ok=False)
        return
    yield _answer_step(profile, call, began, response)
    if not is_answered(profile, call, response):
        return
    if profile.look_up is not LookUpMethod.NONE:
        try:
            spoke.read_page(response, _SOME_RUN)
        except NotUnderstoodError as error:
            yield _step("list", began, f"{error}: correct paths.search, or mapping.runs_at", ok=False)
            return
    async for step in _rules_steps(profile, client, spoke, response):
        yield step


async def _rules_steps(
    profile: Profile, client: SpokeClient, spoke: Spoke, response: HttpResponse
) -> AsyncIterator[ProbeStep]:
    """Yield what the rules of the profile read in the list, and in the answer to a GET of its first run."""
    began, runs = time.monotonic(), listed_runs(spoke, response)
    if not runs:
        why = "the list cannot be read as one" if runs is None else "the list shows no run: order one, and probe again"
        yield _step("rules", began, f"not tried, because {why}")
        return
    if (mistake := mistake_in_list(profile, runs)) is not None:
        yield _step("rules", began, mistake, ok=False)
        return
    yield _step("rules", began, f"{count_noun(len(runs), 'run')} read, the first with {read_sentence(runs[0])}")
    yield await _run_step(profile, client, spoke, runs[0])


async def _run_step(profile: Profile, client: SpokeClient, spoke: Spoke, listed: ExternalReport) -> ProbeStep:
    began, call = time.monotonic(), spoke.to_read(listed.external_id or "")
    response = await client.call(profile.name, call)
    if isinstance(response, NoResponse):
        return _step("run", began, response.cause, ok=False)
    if not is_success(profile, response):
        what = f"GET {printable(call.path)} was answered with {response.status}"
        if ResultChannel.POLL in profile.result_channels:
            advice = "correct paths.run" if response.status in _NOT_THERE else "probe again"
            return _step("run", began, f"{what}, although the list shows this run: {advice}", ok=False)
        knows_state = listed.state is not None or profile.end_of_run is EndOfRun.MEASURES
        advice = "" if knows_state else ": correct paths.run, because the list shows no states either"
        return _step("run", began, f"not tried: {what}{advice}", ok=knows_state)
    found = mistake_in_run(profile, call, listed, response, spoke)
    if isinstance(found, str):
        return _step("run", began, found, ok=False)
    return _step("run", began, f"GET {printable(call.path)} shows {read_sentence(found)}")


def _answer_step(profile: Profile, call: Call, began: float, response: HttpResponse) -> ProbeStep:
    what = f"GET {call.path}"
    if response.status in _CREDENTIALS_REFUSED and ("GET", response.status) not in profile.meanings:
        sent = "without credentials" if isinstance(profile.auth, NoAuth) else f"with auth {profile.auth.kind}"
        advice = "correct auth, the secret to which it refers, or the rights of the user"
        return _step("credentials", began, f"{what} {sent} was refused with {response.status}: {advice}", ok=False)
    if not is_answered(profile, call, response):
        # The body is not repeated: a system may repeat there what it was sent.
        return _step("answer", began, f"{what} was answered with {response.status}{_hint(response)}", ok=False)
    sent = "without credentials" if isinstance(profile.auth, NoAuth) else f"with auth {profile.auth.kind}"
    return _step("credentials", began, f"{what} {sent} was answered with {response.status}")


def is_answered(profile: Profile, call: Call, response: HttpResponse) -> bool:
    """Return whether the list was answered with success."""
    return response.status in profile.success_codes_of("GET") | call.also_success


def _hint(response: HttpResponse) -> str:
    if response.status in _NOT_THERE:
        return ": correct base_url, or paths.search (a system that says so of an empty list needs empty_list_status)"
    return ": correct base_url, as the system redirects" if 300 <= response.status < 400 else ""  # noqa: PLR2004


async def probe_hub(
    profile: Profile, client: SpokeClient, environment: Mapping[str, str], public_url: str | None
) -> ProbeStep:
    """Return whether the hub shows the registration of the callback address. Nothing is registered."""
    began = time.monotonic()
    if mistakes := registration_mistakes(public_url, [profile]):
        return _step("hub", began, mistakes[0], ok=False)
    dialect = hub_dialect(public_url or "", profile, environment)
    call = dialect.call_of(HubPhase.SEARCHING, None)
    response = await client.call(profile.name, call)
    if isinstance(response, NoResponse):
        return _step("hub", began, response.cause, ok=False)
    answer, found = dialect.read(HubPhase.SEARCHING, response)
    what = f"GET {call.path} was answered with {response.status}"
    sentence = {
        Answer.FOUND: f"the callback address is registered (id {found or 'not shown'})",
        Answer.NOT_FOUND: "the callback address is not registered: the role `listener` does that when it starts",
        Answer.UNREADABLE: f"whether the callback address is registered cannot be read ({what})",
    }
    return _step("hub", began, sentence.get(answer, what), ok=answer in sentence)


def _step(step: str, began: float, detail: str, *, ok: bool = True) -> ProbeStep:
    return ProbeStep(step=step, ok=ok, detail=detail, seconds=round(time.monotonic() - began, 3))


def _cause(error: BaseException) -> str:
    """Return the cause without the text of what was sent."""
    if isinstance(error, TimeoutError):
        return "not in time"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason) if reason else type(error).__name__
