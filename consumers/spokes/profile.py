"""The profile of one external system: its address, its dialect, and the limits of calling it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from consumers.runtime.backoff import RetryPolicy
from consumers.spokes.credentials import Auth, CallbackAuth, NoAuth, ProfileModel
from consumers.spokes.limits.circuit_breaker import BreakerPolicy
from schemas.vocabulary import RunState

# Spoke names become parts of topic names and of listener paths.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _check_spoke_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be lower-case letters, digits and '-', at most 63 of them")
    return name


def _check_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a whole address such as https://system.example/tmf-api/serviceTestManagement/v4")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials: use the field 'auth'")
    if parts.query or parts.fragment:
        raise ValueError("must end with the path, without '?' and '#'")
    return url.rstrip("/")


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


MediaType = Annotated[str, Field(pattern=r"^[!-~]+/[ -~]+$")]


class MediaTypes(ProfileModel):
    """The media types that are sent and accepted."""

    send: MediaType = "application/json"
    change: MediaType = "application/json"
    accept: MediaType = "application/json"


class Timeouts(ProfileModel):
    """Seconds to wait: for a connection, between two pieces of a response, and for everything together."""

    connect: Seconds = 3.0
    read: Seconds = 15.0
    total: Seconds = 30.0

    @model_validator(mode="after")
    def _total_is_longest(self) -> Self:
        # A connection that times out proves that nothing was sent; the total timeout proves nothing.
        if self.connect >= self.total:
            raise ValueError(f"connect ({self.connect:g} s) must be shorter than total ({self.total:g} s)")
        return self


_RETRY = RetryPolicy()


class RetrySettings(ProfileModel):
    """How often and how long to retry; seconds."""

    initial_interval: Seconds = _RETRY.initial_interval
    backoff_coefficient: float = Field(default=_RETRY.backoff_coefficient, ge=1, allow_inf_nan=False)
    max_interval: Seconds = _RETRY.max_interval
    max_attempts: int = Field(default=_RETRY.max_attempts, ge=1)
    max_elapsed: Seconds = _RETRY.max_elapsed

    def policy(self) -> RetryPolicy:
        """Return these settings as a `RetryPolicy`."""
        return RetryPolicy(**dict(self))


_BREAKER = BreakerPolicy()


class BreakerSettings(ProfileModel):
    """When no more calls are made to a system that is down, and how often a single one finds out whether it is back."""

    failures: int = Field(default=_BREAKER.failures, ge=1, le=1000)
    pause: Seconds = _BREAKER.pause
    max_pause: Annotated[Seconds, Field(le=600)] = _BREAKER.max_pause

    def policy(self) -> BreakerPolicy:
        """Return these settings as a `BreakerPolicy`."""
        return BreakerPolicy(**dict(self))


class RateLimitSettings(ProfileModel):
    """How many calls per second each process makes at most; `burst` of them at once after a pause."""

    calls_per_second: Annotated[Seconds, Field(le=100_000)]
    burst: int = Field(default=1, ge=1, le=100_000)


class ResultChannel(StrEnum):
    """How responses arrive: `poll` makes Southbound poll, `callback` gives the system an address at the listener."""

    SYNC = "sync"
    CALLBACK = "callback"
    POLL = "poll"


_NOT_POLLED = frozenset({ResultChannel.SYNC, ResultChannel.CALLBACK})


class RelationshipEncoding(StrEnum):
    """How a child's POST names its parent to the external system."""

    NATIVE = "native"
    EXTENSION = "extension"
    CHARACTERISTIC = "characteristic"
    NONE = "none"


class LookUpMethod(StrEnum):
    """How to find out whether a POST with unknown outcome arrived."""

    NAME = "name"
    EXTERNAL_IDENTIFIER = "external_identifier"
    NONE = "none"


class CancelMethod(StrEnum):
    """How a run is cancelled."""

    PATCH = "patch"
    DELETE = "delete"


Patchable = Literal[
    "name",
    "description",
    "mode",
    "startDateTime",
    "endDateTime",
    "characteristic",
    "relatedParty",
    "relatedService",
    "testSpecification",
]
SuccessCode = Annotated[int, Field(ge=200, le=299)]
# YAML reads 4.1 as a number.
Version = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else str(value))]


def _check_state(state: RunState) -> RunState:
    if state is RunState.UNKNOWN:
        raise ValueError("must be a state of a run, and 'unknown' is none")
    return state


KnownState = Annotated[RunState, AfterValidator(_check_state)]
# A run that has ended cannot be changed, whatever the system.
_CHANGEABLE_STATES: frozenset[KnownState] = frozenset({RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS})


class Profile(ProfileModel):
    """One external system. Every field but `name` and `base_url` has a safe default.

    `patchable` names the fields (as TMF653 spells them) that a change may carry; empty: changes are refused.
    `changeable_states` are the states in which a change may still be sent; beyond them is the point of no return.
    `settle_time` are the seconds after a POST with unknown outcome during which "not found" leads to no other POST;
    without it the larger of 60 and four times `timeouts.read`.
    `id_deadline` are the seconds after which a run that the system accepted without an external id is in fallout, and a
    change, a cancellation or a child that needs the id is a dead letter.
    `lost_after` are the seconds for which a system has to answer that it does not have a run that it accepted, at least
    three times, until the run ends as failed (`LOST`).
    `measures_grace` are the seconds for which a completed run waits for mandatory measures that are missing; 0: not.
    `tell_outage_after`: while the system is down, a run whose command waits for it for so many seconds is told so.
    `state_spellings` maps the system's states to ours, beyond the spellings that are known anyway.
    `success_codes` are the statuses that mean success.
    `version` is only a declaration for now: 4.0, 4.1 and 4.2 have the same form for what is sent and read here.
    `result_channels`: `poll` makes Southbound poll, and a system with neither `callback` here nor `callback_auth` has
    no address at the listener. Final answers in a response are handled with or without `sync`.
    `poll_after`: a run is polled when the system has reported nothing for so many seconds.
    `unauthenticated_callbacks`: without `callback_auth`, the listener starts only on a loopback address, unless this
    field says `accept from anyone`.
    """

    name: Annotated[str, AfterValidator(_check_spoke_name)]
    base_url: Annotated[str, AfterValidator(_check_address)]
    dialect: str = Field(default="tmf653", min_length=1)
    version: Version = "4.1"
    auth: Auth = NoAuth()
    callback_auth: CallbackAuth = NoAuth()
    unauthenticated_callbacks: Literal["refuse", "accept from anyone"] = "refuse"
    media_types: MediaTypes = MediaTypes()
    patchable: frozenset[Patchable] = frozenset()
    changeable_states: frozenset[KnownState] = _CHANGEABLE_STATES
    relationship_encoding: RelationshipEncoding = RelationshipEncoding.EXTENSION
    cancel: CancelMethod = CancelMethod.PATCH
    state_spellings: dict[str, KnownState] = Field(default_factory=dict)
    success_codes: frozenset[SuccessCode] = frozenset({200, 201, 202, 204})
    timeouts: Timeouts = Timeouts()
    retry: RetrySettings = RetrySettings()
    circuit_breaker: BreakerSettings = BreakerSettings()
    concurrency: int = Field(default=32, ge=1, le=1000)
    adaptive_concurrency: bool = False
    rate_limit: RateLimitSettings | None = None
    result_channels: frozenset[ResultChannel] = Field(default=_NOT_POLLED, min_length=1)
    poll_interval: Seconds = 30.0
    poll_after: Seconds = 300.0
    look_up: LookUpMethod = LookUpMethod.NAME
    settle_time: Seconds | None = None
    id_deadline: Seconds = 600.0
    lost_after: Seconds = 600.0
    measures_grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    tell_outage_after: Seconds = 300.0
    send_state: bool = False
    send_measure_ids: bool = True
    max_response_bytes: int = Field(default=5_000_000, ge=1_000)

    @property
    def authenticates_callbacks(self) -> bool:
        """Whether a callback proves that it comes from the system."""
        return not isinstance(self.callback_auth, NoAuth)

    @property
    def takes_callbacks(self) -> bool:
        """Whether the listener has an address for the system: not for one that is only polled, without credentials."""
        return self.authenticates_callbacks or ResultChannel.CALLBACK in self.result_channels

    @property
    def effective_settle_time(self) -> float:
        """Seconds after a POST for which "not found" does not prove that it will never arrive."""
        return self.settle_time if self.settle_time is not None else max(60.0, 4 * self.timeouts.read)

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: str) -> str:
        if version == "5.0":
            raise ValueError("5.0 is not spoken yet: use 4.0, 4.1 or 4.2 if the system offers one of them")
        if version not in {"4.0", "4.1", "4.2"}:
            raise ValueError("must be 4.0, 4.1 or 4.2")
        return version
