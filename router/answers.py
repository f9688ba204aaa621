"""Classify what came back from an external system (the table of domain facts, section 8.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.outcomes import Reason


class Purpose(StrEnum):
    """What a call is for; the same status means different things to a POST and to a PATCH."""

    SEND = "send"
    CHANGE = "change"
    CANCEL = "cancel"
    LOOK_UP = "lookUp"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP response. Header names are lower case; `body` is bounded by the client."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The call ended without a response. `perhaps_sent` is False only where that is proven."""

    perhaps_sent: bool
    what: str  # a sentence without secrets, e.g. "connection refused by 127.0.0.1:8701"
    certificate: bool = False  # the certificate is not valid: configuration, not weather


class Verdict(StrEnum):
    """What an answer means for the call that it answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # their answer is no: a result, never a retry
    TRANSIENT = "transient"  # certainly not done; try again later
    AMBIGUOUS = "ambiguous"  # perhaps done: look up before another POST
    CONFLICT = "conflict"  # 409: exists already, or the state forbids the change
    CONFIGURATION = "configuration"  # wrong address, credentials or certificate: retry slowly, tell a person
    LOST = "lost"  # 404 for an id that they gave us


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with what a reader needs: reasons for people, seconds to wait if they said so."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    retry_after: float | None = None  # seconds
