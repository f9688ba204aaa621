"""The profile of one external system: its address, its dialect, and the limits of calling it."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from consumers.runtime.backoff import RetryPolicy
from consumers.spokes.conventions.callback_limits import NO_CALLBACK_LIMITS, CallbackLimits
from consumers.spokes.conventions.http_conventions import (
    ErrorMeanings,
    Meanings,
    Method,
    Paths,
    ProxySettings,
    QueryName,
    QueryParameter,
    RunHeaders,
    meanings_by_call,
)
from consumers.spokes.conventions.hub_settings import CredentialsPlace, HubRegistrationSettings
from consumers.spokes.conventions.payload_form import PLAIN, PayloadForm
from consumers.spokes.conventions.profile_digest import digest_of_profile
from consumers.spokes.credentials import Auth, CallbackToken, HeaderName, NoAuth, ProfileModel, TlsSettings
from consumers.spokes.limits.circuit_breaker import BreakerPolicy
from consumers.spokes.mapping.rules import NOTHING, MappingSettings
from consumers.spokes.security.callback_credentials import CallbackAuth  # noqa: TC001 - pydantic reads the annotation
from consumers.spokes.tmf653.versions import VERSIONS, path_mistake, with_defaults_of_version
from router.runs.deadlines.deadline import DEFAULT_PENDING_TIME_OUT, DEFAULT_TIME_OUT, MAX_SECONDS, TimeLimits
from router.runs.measures.thresholds import ComparatorMeaning
from router.runs.revisions.change_plan import ChangeRules
from router.runs.states import KNOWN_STATES, BeingCancelled, Meaning
from schemas.text.json_body import check_charset
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.responses import DeclaredMeaning

# Spoke names become parts of topic names and of listener paths.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def check_spoke_name(name: str) -> str:
    """Return the name of a system if it can stand in a topic name and in an address.

    Raises:
        ValueError: it cannot.
    """
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
TimeLimit = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]


MediaType = Annotated[str, Field(pattern=r"^[!-~]+/[ -~]+$")]
Charset = Annotated[str, AfterValidator(check_charset)]


class MediaTypes(ProfileModel):
    """The media types that are sent and accepted."""

    send: MediaType = Field(default="application/json", description="`Content-Type` of a POST.")
    change: MediaType = Field(
        default="application/json",
        description=(
            "`Content-Type` of a PATCH, such as `application/merge-patch+json`, the default for 5.0. With"
            " `application/json-patch+json` a change is a list of operations (RFC 6902)."
        ),
    )
    accept: MediaType = Field(default="application/json", description="`Accept` of every request.")
    charset: Charset | None = Field(
        default=None,
        description=(
            "Charset of responses and callbacks whose `Content-Type` names none, such as `iso-8859-1`. None: UTF-8."
            " With it, characters beyond ASCII are sent as escapes of JSON (`\\u00e4`), which are the same in every"
            " charset."
        ),
    )


class Timeouts(ProfileModel):
    """Seconds to wait: for a connection, between two pieces of a response, and for everything together."""

    connect: Seconds = Field(
        default=3.0, description="Seconds for a connection; a timeout proves that nothing was sent."
    )
    read: Seconds = Field(
        default=15.0, description="Seconds for the head of a response, and between two pieces of its body."
    )
    total: Seconds = Field(default=30.0, description="Seconds for everything together.")

    @model_validator(mode="after")
    def _total_is_longest(self) -> Self:
        # A connection that times out proves that nothing was sent; the total timeout proves nothing.
        if self.connect >= self.total:
            raise ValueError(f"connect ({self.connect:g} s) must be shorter than total ({self.total:g} s)")
        return self


_RETRY = RetryPolicy()


class RetrySettings(ProfileModel):
    """How often and how long to retry; seconds."""

    initial_interval: Seconds = Field(
        default=_RETRY.initial_interval,
        description="Seconds before the first retry, at most; delays are random below their limit.",
    )
    backoff_coefficient: float = Field(
        default=_RETRY.backoff_coefficient, ge=1, allow_inf_nan=False, description="Factor between two limits."
    )
    max_interval: Seconds = Field(default=_RETRY.max_interval, description="Largest limit, in seconds.")
    max_attempts: int = Field(
        default=_RETRY.max_attempts,
        ge=1,
        description="Attempts until the run becomes `fallout`; those during an outage do not count.",
    )
    max_elapsed: Seconds = Field(
        default=_RETRY.max_elapsed,
        description="Seconds until the run becomes `fallout`; those of an outage do not count.",
    )

    def policy(self) -> RetryPolicy:
        """Return these settings as a `RetryPolicy`."""
        return RetryPolicy(**dict(self))


_BREAKER = BreakerPolicy()


class BreakerSettings(ProfileModel):
    """When no more calls are made to a system that is down, and how often a single one finds out whether it is back."""

    failures: int = Field(
        default=_BREAKER.failures,
        ge=1,
        le=1000,
        description=(
            "Calls in a row that the system does not process (no response, 429, 502, 503, 504, 507, wrong credentials)"
            " until no more are made."
        ),
    )
    pause: Seconds = Field(
        default=_BREAKER.pause,
        description="Seconds until one call finds out whether the system is back; doubles after each that fails.",
    )
    max_pause: Annotated[Seconds, Field(le=600)] = Field(
        default=_BREAKER.max_pause, description="The longest pause, in seconds."
    )

    def policy(self) -> BreakerPolicy:
        """Return these settings as a `BreakerPolicy`."""
        return BreakerPolicy(**dict(self))


class RateLimitSettings(ProfileModel):
    """How many calls per second each process makes at most; `burst` of them at once after a pause."""

    calls_per_second: Annotated[Seconds, Field(le=100_000)] = Field(description="Calls per second, on average.")
    burst: int = Field(default=1, ge=1, le=100_000, description="Calls at once after a pause.")


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
    NAME_AND_SERVICE = "name_and_service"
    LOCATION = "location"
    EXTERNAL_IDENTIFIER = "external_identifier"
    NONE = "none"


class ListPaging(StrEnum):
    """How a system returns its list of runs."""

    OFFSET = "offset"
    NONE = "none"


class EndOfRun(StrEnum):
    """What shows that a run has ended."""

    STATE = "state"
    MEASURES = "measures"


LOOK_UPS_BY_NAME = frozenset({LookUpMethod.NAME, LookUpMethod.NAME_AND_SERVICE, LookUpMethod.LOCATION})


class ChildRefused(StrEnum):
    """What follows for the other runs of a request if a child is refused."""

    CONTINUE = "continue"
    COMPENSATE = "compensate"


class ChildChange(StrEnum):
    """Where the change of a child goes that was POSTed inside of its root."""

    CHILD = "child"
    ROOT = "root"


class CancelMethod(StrEnum):
    """How a run is cancelled."""

    PATCH = "patch"
    DELETE = "delete"
    POST = "post"
    TASK = "task"


Patchable = Literal[
    "name",
    "description",
    "mode",
    "startDateTime",
    "endDateTime",
    "validFor",
    "characteristic",
    "relatedParty",
    "relatedService",
    "testSpecification",
]
SuccessCode = Annotated[int, Field(ge=200, le=299)]
# YAML reads 4.1 as a number.
Version = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else str(value))]


# What Southbound itself sets, or what changes the meaning of a message.
_SET_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "idempotency-key",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)


def _check_fixed_header(name: str) -> str:
    if name.lower() in _SET_HEADERS:
        raise ValueError(f"must not be {name}: Southbound sets it (credentials belong to 'auth')")
    return name


FixedHeaderName = Annotated[HeaderName, AfterValidator(_check_fixed_header)]


def _check_fixed_value(value: str) -> str:
    if value.startswith(("env:", "file:")):
        raise ValueError("is sent as written; a secret belongs to 'auth': {kind: api_key, header: …, key: env:…}")
    return value


FixedHeaderValue = Annotated[str, Field(pattern=r"^[ -~]{0,1000}$"), AfterValidator(_check_fixed_value)]


_STATES = tuple(sorted(KNOWN_STATES))


def _check_state(state: object) -> object:
    if state not in _STATES:
        raise ValueError(f"must be one of {', '.join(_STATES)}")
    return state


KnownState = Annotated[RunState, BeforeValidator(_check_state)]


def _check_spelled(state: object) -> object:
    if state not in (*_STATES, BeingCancelled.CANCELLING.value):
        raise ValueError(
            f"must be one of our states, after the system's ({{running: inProgress}}): {', '.join(_STATES)},"
            f" or {BeingCancelled.CANCELLING.value}"
        )
    return state


SpelledState = Annotated[Meaning, BeforeValidator(_check_spelled)]
# A run that has ended cannot be changed, whatever the system.
_CHANGEABLE_STATES: frozenset[KnownState] = frozenset({RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS})


class NamedProfile(ProfileModel):
    """What an operator describes in a file of its own, under a name."""

    noun: ClassVar[str] = "profile"  # in sentences for people

    name: Annotated[str, AfterValidator(check_spoke_name)] = Field(description="Its name.")


class SystemProfile(NamedProfile):
    """How to reach one external system and how much it is asked: what its calls need, whatever they are about."""

    noun: ClassVar[str] = "system"

    base_url: Annotated[str, AfterValidator(_check_address)] = Field(
        description="Address of the API, up to the version; `/serviceTest` is appended."
    )
    auth: Auth = Field(default=NoAuth(), description="Credentials that Southbound sends: see below.")
    tls: TlsSettings = TlsSettings()
    proxy: ProxySettings = ProxySettings()
    headers: dict[FixedHeaderName, FixedHeaderValue] = Field(
        default_factory=dict, max_length=20, description="Headers of every request, such as the name of a tenant."
    )
    query_parameters: dict[QueryName, FixedHeaderValue] = Field(
        default_factory=dict,
        max_length=20,
        description="Query parameters of every request, such as `{api-version: '2'}`.",
    )
    media_types: MediaTypes = MediaTypes()
    success_codes: frozenset[SuccessCode] = Field(
        default=frozenset({200, 201, 202, 204}), description="Statuses that mean success."
    )
    success_codes_by_method: dict[Method, frozenset[SuccessCode]] = Field(
        default_factory=dict,
        description="Statuses that mean success of one method, instead of all others, such as `{PATCH: [201]}`.",
    )
    status_meanings: Meanings = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "What single statuses mean at this system, such as `{403: busy, POST 404: refused}`: `busy` (it processes"
            " nothing at the moment), `transient` (this call can be repeated), `refused` (the answer is no), or"
            " `configuration` (an operator has to act). `busy` and `transient` say that nothing was done."
        ),
    )
    error_meanings: ErrorMeanings = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "The same for codes of errors in the body of a response that is no success, such as `{QUOTA_EXCEEDED:"
            " busy}`, where one status means several things. A code counts more than its status."
        ),
    )
    timeouts: Timeouts = Timeouts()
    retry: RetrySettings = RetrySettings()
    circuit_breaker: BreakerSettings = BreakerSettings()
    concurrency: int = Field(
        default=32, ge=1, le=1000, description="Maximum number of concurrent calls to this system."
    )
    adaptive_concurrency: bool = Field(
        default=False,
        description=(
            "`true`: the number of concurrent calls is halved when the system answers 429 or 503, not at all, or three"
            " times slower than it can, and grows up to `concurrency` while it keeps up."
        ),
    )
    rate_limit: RateLimitSettings | None = Field(
        default=None,
        description=(
            "Calls per second of each process, at most: `calls_per_second`, and `burst` (1) of them at once after a"
            " pause."
        ),
    )
    settle_time: Seconds | None = Field(
        default=None,
        description=(
            'Seconds after a POST with unknown outcome during which "not found" leads to no other POST. None: the'
            " larger of 60 and four times `timeouts.read`."
        ),
    )
    keep_bodies: bool = Field(
        default=False,
        description=(
            "Whether the timeline of a run (`southbound runs show`) keeps the bodies of its calls: shortened, and with"
            " the values of fields masked that are named like secrets. The digests are kept anyway."
        ),
    )
    max_response_bytes: int = Field(default=5_000_000, ge=1_000, description="Maximum size of the body of a response.")

    @cached_property
    def digest(self) -> str:
        """What the profile says, in eight digits: another one after each change of a field."""
        return digest_of_profile(self)

    def success_codes_of(self, method: str) -> frozenset[SuccessCode]:
        """Return the statuses that mean success of a method."""
        by_method = self.success_codes_by_method
        return by_method.get(Method(method), self.success_codes) if by_method else self.success_codes

    @cached_property
    def meanings(self) -> Mapping[tuple[str, int], DeclaredMeaning]:
        """What single statuses mean, by method."""
        return meanings_by_call(self.status_meanings)

    @property
    def effective_settle_time(self) -> float:
        """Seconds after a POST for which "not found" does not prove that it will never arrive."""
        return self.settle_time if self.settle_time is not None else max(60.0, 4 * self.timeouts.read)


class Profile(SystemProfile):
    """One external system. Every field but `name` and `base_url` has a safe default."""

    noun: ClassVar[str] = "spoke"

    name: Annotated[str, AfterValidator(check_spoke_name)] = Field(
        description="Name of the spoke: in selectors, in the name of its topic and in its callback address."
    )
    base_url: Annotated[str, AfterValidator(_check_address)] = Field(
        description="Address of the API, up to the version; a path such as `/serviceTest` is appended (`paths`)."
    )
    success_codes: frozenset[SuccessCode] = Field(
        default=frozenset({200, 201, 202, 204}),
        description=(
            "Statuses that mean success, besides those that the version of TMF653 names for the method"
            " ([support of TMF653](tmf653-support.md#the-versions)). After another 2xx, the run is read or looked up."
        ),
    )
    dialect: str = Field(
        default="tmf653", min_length=1, description="The translation: `tmf653`, `jobs`, or one of an installed package."
    )
    version: Version = Field(
        default="4.1",
        description=(
            "Version of TMF653: 4.0, 4.1, 4.2 or 5.0. What is sent has its form, and some defaults follow from it: see"
            " [support of TMF653](tmf653-support.md)."
        ),
    )
    callback_auth: CallbackAuth = Field(
        default=NoAuth(), description="Credentials that callbacks must carry: see below."
    )
    callback_limits: CallbackLimits = NO_CALLBACK_LIMITS
    unauthenticated_callbacks: Literal["refuse", "accept from anyone"] = Field(
        default="refuse",
        description=(
            "`accept from anyone` lets the listener start on an address that is not loopback without `callback_auth`."
        ),
    )
    hub: HubRegistrationSettings = HubRegistrationSettings()
    patchable: frozenset[Patchable] = Field(
        default=frozenset(),
        description="Fields that a change may carry in a PATCH, spelled as in TMF653. All others are refused.",
    )
    patch_always_has: frozenset[Patchable] = Field(
        default=frozenset(),
        description=(
            "Fields that every PATCH carries as they were sent, also one that cancels, for a system that refuses a"
            " PATCH without them, such as `[name, relatedService, testSpecification]`."
        ),
    )
    reposted: frozenset[Literal[Patchable, "testMeasure"]] = Field(
        default=frozenset(),
        description=(
            "Fields that are changed by another POST: the run is cancelled at the system, and once that has ended the"
            " changed run is POSTed. For a system without PATCH list all fields that it takes, for one that takes"
            " another target only so `relatedService`, `testSpecification` and `mode`."
        ),
    )
    partial_changes: bool = Field(
        default=True,
        description=(
            "Whether the rest of a change is made if some of its fields are refused, which the update `changeRefused`"
            " names. `false`: a change is made as a whole or not at all."
        ),
    )
    children_changed_in: ChildChange = Field(
        default=ChildChange.CHILD,
        description=(
            "What is PATCHed if a child changes that was POSTed inside of its root (payload `bundle`): the child, or"
            " the `root`, with all its children in `childServiceTest`."
        ),
    )
    follow_changes: bool = Field(
        default=False,
        description=(
            "Whether 202 to a PATCH is no acceptance yet: the process or monitor that the response names (`Location`,"
            " or `href` of its body), or else the run, is read until it shows that the change was made or refused."
        ),
    )
    change_deadline: Seconds = Field(
        default=600.0,
        description=(
            "Seconds for which the outcome of what the system accepted for later is asked for: a change"
            " (`follow_changes`), or the cancellation that another POST waits for (`reposted`)."
        ),
    )
    cancel_deadline: TimeLimit = Field(
        default=3_600.0,
        description=(
            "Seconds for which a run is asked for whose cancellation the system has accepted, if it does not report the"
            " end. Then the cancellation counts as refused, and a dead letter says so; a later end still counts."
        ),
    )
    changeable_states: frozenset[KnownState] = Field(
        default=_CHANGEABLE_STATES,
        description="States in which a change may still be sent; beyond them is the point of no return.",
    )
    relationship_encoding: RelationshipEncoding = Field(
        default=RelationshipEncoding.EXTENSION,
        description="How a child's POST names its parent. Default for 5.0: `native`.",
    )
    parent_names_children: bool = Field(
        default=False,
        description=(
            "Whether a run is PATCHed with all its children in `serviceTestRelationship` after each child that is"
            " POSTed on its own, also one that is added later. A child that was cancelled is left out with the next"
            " one. If the PATCH is refused, the child stays accepted, and its command is a dead letter."
        ),
    )
    cancel: CancelMethod = Field(
        default=CancelMethod.PATCH,
        description=(
            "How a run is cancelled: by a PATCH of its state, by DELETE, by a POST of its state to `paths.cancel`, or"
            " by a task at `/cancelServiceTest`, the default for 5.0."
        ),
    )
    cancelable_states: frozenset[KnownState] = Field(
        default=_CHANGEABLE_STATES,
        description="States in which a run may still be cancelled; beyond them is the point of no return.",
    )
    paths: Paths = Paths()
    run_headers: RunHeaders = RunHeaders()
    payload: PayloadForm = PLAIN
    mapping: MappingSettings = NOTHING
    end_of_run: EndOfRun = Field(
        default=EndOfRun.STATE,
        description=(
            "`measures`: a run has also ended once all mandatory measures, or all if none is mandatory, have values:"
            " for a system that never sets `state`."
        ),
    )
    query_names: dict[QueryParameter, QueryName] = Field(
        default_factory=dict,
        description=(
            "Other names of the query parameters of look-ups and lists, such as `{name: title, offset: start}`: of"
            " `name`, `relatedService.id`, `externalIdentifier.id`, `offset`, `limit` and `cursor`."
        ),
    )
    empty_list_status: Annotated[int, Field(ge=400, le=499)] | None = Field(
        default=None,
        description=(
            "Status with which the system answers a look-up or a page of the list that has no entries, such as 404."
            " None: it answers with an empty list."
        ),
    )
    paging: ListPaging = Field(
        default=ListPaging.OFFSET,
        description="`none`: the list of runs is returned whole in one response, whatever `offset` says.",
    )
    state_spellings: dict[str, SpelledState] = Field(
        default_factory=dict,
        description=(
            "The system's states, each with ours, such as `{running: inProgress}`, beyond the spellings that are known"
            " anyway ([states](states.md#states)). A state that a run is in until its cancellation is over is"
            " `cancelling`, as in `{stopping: cancelling}`: then a cancellation that is answered with it is accepted."
        ),
    )
    result_channels: frozenset[ResultChannel] = Field(
        default=_NOT_POLLED,
        min_length=1,
        description=(
            "`callback` gives the system an address at the listener, and so does `callback_auth`; `poll` makes"
            " Southbound poll; `sync` is a declaration."
        ),
    )
    poll_interval: Seconds = Field(default=30.0, description="Seconds between two rounds of polls.")
    poll_max_interval: Seconds | None = Field(
        default=None,
        description=(
            "Seconds up to which the interval between two polls of one run grows: it doubles with each response that"
            " says nothing new. None: four times `poll_interval`. With `poll_interval` or less it stays."
        ),
    )
    poll_after: Seconds = Field(default=300.0, description="Seconds without a report after which a run is polled.")
    look_up: LookUpMethod = Field(
        default=LookUpMethod.NAME,
        description=(
            "How to find out whether a POST with unknown outcome arrived. `name_and_service`: by name and"
            " `relatedService.id`. `location`: as `name`, and a run that was accepted without an id is found by the"
            " `Location` of that response, also by way of a monitor. `none`: such a run becomes `fallout`."
        ),
    )
    id_shown_by: Literal["answer", "callback"] = Field(
        default="answer",
        description=(
            "What shows the id of a run first: the `answer` to the POST, or a `callback` later. `callback`: an answer"
            " without an id that can be read is no mistake, and no update names the rules to correct (`ID_NOT_SHOWN`)."
        ),
    )
    id_deadline: Seconds = Field(
        default=600.0,
        description=(
            "Seconds after which a run that was accepted without an external id is in fallout, and what needs the id is"
            " a dead letter."
        ),
    )
    lost_after: Seconds = Field(
        default=600.0,
        description=(
            "Seconds for which the system has to answer, at least three times, that it does not have a run, until the"
            " run ends as failed."
        ),
    )
    measures_grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=30.0,
        description="Seconds for which a completed run waits for mandatory measures that are missing. 0: not.",
    )
    unknown_measures: Literal["keep", "reject"] = Field(
        default="keep",
        description=(
            "What becomes of a measure that matches none of the requested ones: it gets an id of ours, or it is left"
            " out with the reason `MEASURE_REJECTED`. If no measures were requested, all are kept."
        ),
    )
    threshold_comparators: ComparatorMeaning = Field(
        default=ComparatorMeaning.NOT_EVALUATED,
        description=(
            "What the comparators of threshold rules state, for a system that reports values and no violations: a good"
            " value (`conformance`) or a bad one (`violation`). A value against its rule then gets a violation."
            " `not_evaluated`: only what the system reports counts."
        ),
    )
    child_refused: ChildRefused = Field(
        default=ChildRefused.CONTINUE,
        description=(
            "What follows for the other runs of a hierarchical request if the system refuses a child: they `continue`,"
            " or all that have not ended are cancelled, the root included (`compensate`)."
        ),
    )
    expected_duration: TimeLimit | None = Field(
        default=None,
        description=(
            "Seconds that a run is expected to take, if neither it nor its test specification says so: after that it is"
            " in jeopardy. None: half of its time-out."
        ),
    )
    time_out: TimeLimit = Field(
        default=DEFAULT_TIME_OUT,
        description=(
            "Seconds after which a run that has not ended ends as timed out, if neither it nor its test specification"
            " says so."
        ),
    )
    pending_time_out: TimeLimit = Field(
        default=DEFAULT_PENDING_TIME_OUT,
        description="Seconds for which a run may be pending, during which its time does not pass.",
    )
    cancel_timed_out: bool = Field(
        default=False, description="Whether a run that has timed out is cancelled at the system."
    )
    outage_notice_after: Seconds = Field(
        default=300.0,
        description=(
            "Seconds for which a command waits for a system that is down, until an update (`progress`, `SYSTEM_DOWN`) "
            "says so, once per run and outage."
        ),
    )
    send_state: bool = Field(default=False, description="Whether a POST carries `state`.")
    send_measure_ids: bool = Field(
        default=True, description="Whether requested measures are sent with their ids. Default for 5.0: `false`."
    )

    def success_codes_of(self, method: str) -> frozenset[SuccessCode]:
        """Return the statuses that mean success of a method: the profile's, and those that the version names."""
        return self._success_codes[method]

    @cached_property
    def _success_codes(self) -> Mapping[str, frozenset[SuccessCode]]:
        version = VERSIONS[self.version] if self.dialect == "tmf653" else None
        named = {method: version.success_of(method) if version else frozenset() for method in Method}
        return {
            method.value: self.success_codes_by_method.get(method, self.success_codes | named[method])
            for method in Method
        }

    @property
    def widest_poll(self) -> float:
        """How many rounds of polls the interval between two polls of one run grows to."""
        return 4.0 if self.poll_max_interval is None else self.poll_max_interval / self.poll_interval

    @property
    def time_limits(self) -> TimeLimits:
        """How long a run may take that does not say so itself."""
        return TimeLimits(expected=self.expected_duration, time_out=self.time_out, pending=self.pending_time_out)

    @model_validator(mode="after")
    def _expects_less_than_time_out(self) -> Self:
        if self.expected_duration is not None and self.expected_duration >= self.time_out:
            raise ValueError(
                f"expected_duration ({self.expected_duration:g} s) must be shorter than time_out ({self.time_out:g} s)"
            )
        return self

    @model_validator(mode="after")
    def _changes_each_field_in_one_way(self) -> Self:
        if both := sorted(self.patchable & self.reposted):
            raise ValueError(f"patchable and reposted both have {', '.join(both)}: a field is changed in one way")
        return self

    @model_validator(mode="after")
    def _cancels_at_an_address(self) -> Self:
        if self.cancel is CancelMethod.POST and self.paths.cancel is None:
            raise ValueError("cancel: post needs paths.cancel, such as /serviceTest/{id}/cancel")
        return self

    @model_validator(mode="after")
    def _check_patch_is_an_object(self) -> Self:
        if self.patch_always_has and ("json-patch" in self.media_types.change or self.dialect == "jobs"):
            raise ValueError("patch_always_has is for TMF653, with a PATCH that is an object, no JSON patch")
        return self

    @model_validator(mode="after")
    def _check_parent_names_children(self) -> Self:
        encoding = self.relationship_encoding
        if self.parent_names_children and (
            self.dialect == "jobs" or encoding not in {RelationshipEncoding.NATIVE, RelationshipEncoding.EXTENSION}
        ):
            raise ValueError("parent_names_children is for TMF653, with relationship_encoding: native or extension")
        return self

    @model_validator(mode="after")
    def _check_children_changed_in_root(self) -> Self:
        if self.children_changed_in is ChildChange.CHILD:
            return self
        if self.dialect == "jobs":
            raise ValueError("children_changed_in: root is for TMF653, and the dialect is jobs")
        if self.mapping is not NOTHING:
            raise ValueError("children_changed_in: root and mapping exclude each other: children are not mapped back")
        return self

    @cached_property
    def change_rules(self) -> ChangeRules:
        """What may change of a run that the system has."""
        return ChangeRules(
            patchable=self.patchable,
            reposted=self.reposted,
            states=self.changeable_states,
            partial=self.partial_changes,
        )

    @property
    def authenticates_callbacks(self) -> bool:
        """Whether a callback proves that it comes from the system."""
        return not isinstance(self.callback_auth, NoAuth)

    @property
    def takes_callbacks(self) -> bool:
        """Whether the listener has an address for the system: not for one that is only polled, without credentials."""
        return self.authenticates_callbacks or ResultChannel.CALLBACK in self.result_channels

    @model_validator(mode="after")
    def _check_callback_shows_id(self) -> Self:
        if self.id_shown_by == "callback" and not self.takes_callbacks:
            raise ValueError("id_shown_by: callback needs 'callback' among the result_channels, or callback_auth")
        return self

    @model_validator(mode="after")
    def _check_hub(self) -> Self:
        if self.hub.registers and not self.takes_callbacks:
            raise ValueError("hub.register needs 'callback' among the result_channels, or callback_auth")
        place = self.hub.credentials
        if place is not CredentialsPlace.NONE and not self.authenticates_callbacks:
            raise ValueError(f"hub.credentials: {place} needs callback_auth")
        if place is CredentialsPlace.URL and not isinstance(self.callback_auth, CallbackToken):
            raise ValueError("hub.credentials: url needs callback_auth of the kind token")
        return self

    @model_validator(mode="after")
    def _check_mapping_has_fields(self) -> Self:
        if self.mapping is NOTHING:
            return self
        if self.dialect != "tmf653":
            raise ValueError(f"mapping is for the fields of TMF653, and the dialect is {self.dialect}")
        if self.mapping.next_at is not None and self.paging is ListPaging.NONE:
            raise ValueError("mapping.next_at names the next page, and with paging: none there is none")
        if "json-patch" in self.media_types.change and (self.mapping.send or self.mapping.change):
            raise ValueError("mapping.send and mapping.change need a PATCH that is an object, not a JSON patch")
        return self

    @model_validator(mode="before")
    @classmethod
    def _add_defaults_of_version(cls, fields: object) -> object:
        return with_defaults_of_version(fields) if isinstance(fields, dict) else fields

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: str) -> str:
        if version not in VERSIONS:
            raise ValueError(f"must be one of {', '.join(VERSIONS)}")
        return version

    @model_validator(mode="after")
    def _check_address_of_version(self) -> Self:
        if (mistake := path_mistake(self.version, self.base_url)) is not None:
            raise ValueError(f"base_url {mistake}")
        return self
