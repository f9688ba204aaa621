"""Write the calls of a registration at a hub (TMF653 `/hub`), and read their answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import orjson

from consumers.inbound.registration.progress import Answer, HubPhase
from consumers.spokes.conventions.http_conventions import path_with_id
from consumers.spokes.conventions.hub_settings import CredentialsPlace
from consumers.spokes.port import Call, NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import parse_json
from consumers.spokes.tmf653.versions import VERSIONS
from router.responses import DeclaredMeaning, HttpResponse, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.spokes.profile import Profile

NO_HUB_STATUSES = frozenset({404, 405, 410, 501})
_GONE = frozenset({404, 410})
_CONFLICT = 409
_TO_BE_REPEATED = frozenset({408, 423, 425, 429, 500, 502, 503, 504, 507})
_AWAY = frozenset({429, 502, 503, 504})
_REFUSED_CREDENTIALS = frozenset({401, 403, 407})
_NOT_DONE = frozenset({DeclaredMeaning.BUSY, DeclaredMeaning.TRANSIENT, DeclaredMeaning.CONFIGURATION})
MAX_ID_LENGTH = 500  # characters
MAX_COUNT_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDialect:
    """The hub of one system. The address and the headers may hold the secret that callbacks must carry."""

    profile: Profile
    callback: str = field(repr=False)
    callback_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def call_of(self, phase: HubPhase, registration_id: str | None) -> Call:
        """Return the call that a phase makes; `registration_id` is the id of the registration that it is about."""
        hub = self.profile.hub.path
        if phase is HubPhase.REGISTERING:
            body, kind = orjson.dumps(self.registration()), self.profile.media_types.send
            return Call(purpose=Purpose.SEND, method="POST", path=hub, body=body, content_type=kind)
        if phase in {HubPhase.SEARCHING, HubPhase.CONFIRMING}:
            return Call(purpose=Purpose.READ, method="GET", path=hub)
        if registration_id is None:
            raise ValueError(f"{phase} needs the id of a registration")
        one = path_with_id(f"{hub}/{{id}}", registration_id)
        if phase is HubPhase.VERIFYING:
            return Call(purpose=Purpose.READ, method="GET", path=one)
        return Call(purpose=Purpose.CANCEL, method="DELETE", path=one)

    def registration(self) -> dict[str, object]:
        """Return the body of the POST."""
        settings = self.profile.hub
        in_body = settings.credentials is CredentialsPlace.BODY
        return {
            "callback": self.callback,
            **({"query": settings.query} if settings.query else {}),
            **({settings.credentials_field: dict(self.callback_headers)} if in_body else {}),
            **VERSIONS[self.profile.version].type_of("Hub"),
        }

    def read(self, phase: HubPhase, response: HttpResponse) -> tuple[Answer, str | None]:
        """Return what a response means in a phase, and the id of the registration that it shows."""
        method = {HubPhase.REGISTERING: "POST", HubPhase.TIDYING: "DELETE"}.get(phase, "GET")
        success = response.status in self.profile.success_codes_of(method)
        declared = self.profile.meanings.get((method, response.status))
        if phase is HubPhase.TIDYING:
            # One that cannot be removed now cannot be later either, unless the system is away.
            return (Answer.FAILED if response.status in _AWAY else Answer.REMOVED), None
        if not success and (declared in _NOT_DONE or response.status in _TO_BE_REPEATED | _REFUSED_CREDENTIALS):
            if method == "GET" and declared is None and response.status in _REFUSED_CREDENTIALS:
                return Answer.UNREADABLE, None  # reading may be forbidden where registering is not
            return Answer.FAILED, None
        if phase is HubPhase.REGISTERING:
            return self._read_post(response, success=success)
        if phase is HubPhase.VERIFYING:
            return self._read_one(response, success=success), None
        return self._read_list(response, success=success)

    def _read_post(self, response: HttpResponse, *, success: bool) -> tuple[Answer, str | None]:
        if success:
            shown = next(_entries(response), {})
            return Answer.CREATED, _id_of(shown) or _id_in_location(response)
        if response.status == _CONFLICT:
            return Answer.EXISTS, None
        return (Answer.NO_HUB if response.status in NO_HUB_STATUSES else Answer.FAILED), None

    def _read_one(self, response: HttpResponse, *, success: bool) -> Answer:
        if response.status in _GONE:
            return Answer.GONE
        if not success:
            return Answer.UNREADABLE
        entry = next(_entries(response), None)
        if entry is None or "callback" not in entry:
            return Answer.UNREADABLE
        # An id may be given again after a restart.
        return Answer.PRESENT if entry["callback"] == self.callback else Answer.GONE

    def _read_list(self, response: HttpResponse, *, success: bool) -> tuple[Answer, str | None]:
        if not success or not _is_list(response):
            return Answer.UNREADABLE, None
        for entry in _entries(response):
            if entry.get("callback") == self.callback:
                return Answer.FOUND, _id_of(entry)
        return (Answer.UNREADABLE if _is_cut(response) else Answer.NOT_FOUND), None


def _parsed(response: HttpResponse) -> object:
    try:
        return parse_json(response.body, response.headers.get("content-type"))
    except NotUnderstoodError:
        return None


def _is_list(response: HttpResponse) -> bool:
    """Return whether a response shows registrations: a list of them, maybe empty, or the only one."""
    parsed = _parsed(response)
    entries = parsed if isinstance(parsed, list) else [parsed]
    return all(isinstance(entry, dict) and "callback" in entry for entry in entries)


def _is_cut(response: HttpResponse) -> bool:
    """Return whether a list says that there is more than it shows."""
    total = response.headers.get("x-total-count", "")
    return total.isdecimal() and len(total) < MAX_COUNT_DIGITS and int(total) > sum(1 for _ in _entries(response))


def _entries(response: HttpResponse) -> Iterator[dict[str, object]]:
    parsed = _parsed(response)
    for entry in parsed if isinstance(parsed, list) else [parsed]:
        if isinstance(entry, dict):
            yield entry


def _id_of(entry: Mapping[str, object]) -> str | None:
    shown = entry.get("id")
    text = str(shown) if isinstance(shown, str | int) and not isinstance(shown, bool) else ""
    return text if 0 < len(text) <= MAX_ID_LENGTH else None


def _id_in_location(response: HttpResponse) -> str | None:
    """Return the last part of `Location`, if it is the address of something below the hub."""
    parts = urlsplit(response.headers.get("location", "")).path.rstrip("/").split("/")
    text = unquote(parts[-1])
    is_one = len(parts) > 1 and parts[-2] != "" and 0 < len(text) <= MAX_ID_LENGTH
    return text if is_one else None
