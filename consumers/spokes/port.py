"""A spoke translates; it does not call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from typing import Self

    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse, NoResponse, Purpose
    from router.runs.changes import FieldChange
    from router.runs.reports.cancel_task import TaskState
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.commands import SendRun
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.run_document import RunDocument

    BeforeCall = Callable[[], Awaitable[None]]
    Admit = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call to an external system, without credentials (the client adds them).

    `path` is appended to the profile's base URL (`/serviceTest/42`); `body` is JSON.
    `idempotency_key` is the same for every attempt of one command.
    """

    purpose: Purpose
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str | None = None
    idempotency_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_poll: bool = False  # no record waits for it, so it comes after other calls
    from_root: bool = False  # `path` begins at the root of the system's host, and may have a query
    also_success: frozenset[int] = frozenset()  # statuses that mean success of this call, besides the profile's


class ListedReferences(NamedTuple):
    """The ids to which a listed run refers, as the system shows them; None if it does not."""

    service: str | None
    specification: str | None

    def differ_from(self, run: RunDocument) -> frozenset[str]:
        """Return which of them are others than those of a run."""
        return frozenset(name for name, shown, sent in self._pairs(run) if shown != sent)

    def agree_with(self, run: RunDocument) -> frozenset[str]:
        """Return which of them are those of a run."""
        return frozenset(name for name, shown, sent in self._pairs(run) if shown == sent)

    def _pairs(self, run: RunDocument) -> list[tuple[str, str, str]]:
        sent = (run.related_service.id, run.test_specification.id)
        pairs = zip(self._fields, self, sent, strict=True)
        return [(name, _plain(shown), _plain(ours)) for name, shown, ours in pairs if shown and ours]


def _plain(identity: str) -> str:
    return identity.strip().casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpPage:
    """What one page of a system's list of runs shows about the run that is looked up.

    `possible` are runs that are perhaps ours, stored under another name; `without_id` counts runs without an id, and
    `replaced` the tests that the run had before, which are neither found nor possible.
    `differing` refer to another service or specification than ours, which proves nothing at a system that stores ids of
    its own instead of what it was sent; `references` are those of all runs on the page, by external id.
    `naming` are the run ids that runs name which name another one than ours, by external id: they are other runs at a
    system that shows run ids as they were sent.
    `next_call` is None if the system names no next page, and `is_last` if it would name one; `total` is None if it does
    not count. `waiting` and
    `begun` are the ids of the runs, of whomever, that are shown in a state before and after their begin.
    """

    found: ExternalReport | None = None
    possible: tuple[ExternalReport, ...] = ()
    differing: tuple[ExternalReport, ...] = ()
    references: Mapping[str, ListedReferences] = field(default_factory=dict)
    naming: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()  # of all runs on the page
    shown: int = 0
    without_id: int = 0
    replaced: int = 0
    total: int | None = None
    next_call: Call | None = None
    is_last: bool = False
    waiting: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()


class NotUnderstoodError(Exception):
    """The response or report of an external system cannot be read; the message says why."""


class NotAboutARunError(NotUnderstoodError):
    """The event of an external system is understood and is not about a run: it is counted and ignored."""


class NoRunShownError(NotUnderstoodError):
    """The answer to a call about a run says that it shows none."""


class ErrorInSuccessError(NoRunShownError):
    """The body of a response is an error in spite of its status."""


class AnotherRunError(NotUnderstoodError):
    """The answer about a run is about another one."""


class UnknownSpokeError(Exception):
    """No profile has this name: it was removed, or a table names a spoke that does not exist."""

    @classmethod
    def named(cls, name: str, known: Iterable[str]) -> Self:
        """Return the error that names the spoke, and the spokes that exist."""
        there_are = ", ".join(sorted(known))
        return cls(
            f"No profile defines the spoke {name!r} (known: {there_are}): add its profile file and redrive this record."
        )


class Spoke(Protocol):
    """Three translations: request, reply, callback. Pure; one per external system."""

    profile: Profile

    def to_send(self, command: SendRun, parent: RunRow | None) -> Call:
        """POST of a run; `parent` is the accepted parent's row in a hierarchical request."""

    def to_change(self, row: RunRow, changes: Sequence[FieldChange], idempotency_key: str) -> Call:
        """PATCH of what changed, arrays whole."""

    def to_cancel(self, row: RunRow, reason: str | None, idempotency_key: str) -> Call:
        """Cancel, by the method of the profile."""

    def to_look_up(self, run: RunDocument) -> Call | None:
        """Return the call that finds out whether a POST with unknown outcome arrived; None if the profile has none."""

    def to_read(self, external_id: str) -> Call:
        """GET one run."""

    def to_read_cancellation(self, task_id: str) -> Call | None:
        """GET the task that cancels a run; None if the system has no such tasks."""

    def read_reply(self, response: HttpResponse) -> ExternalReport:
        """Read the body of a 2xx response to a POST, PATCH or GET of one run, or of a task that cancels one.

        Raises:
            NotUnderstoodError: the body is not usable.
        """

    def contradictions(self, response: HttpResponse, row: RunRow, changes: Sequence[FieldChange]) -> tuple[Reason, ...]:
        """Return why a 2xx response to a PATCH or GET shows that these changes are not made."""

    def to_list(self, offset: int) -> Call:
        """GET a page of all runs, from this place in the list on."""

    def read_page(self, response: HttpResponse, run: RunDocument, replaced: Sequence[str] = ()) -> LookUpPage:
        """Read the response to a look-up or to a page of the list.

        `replaced` are the ids of tests that the run had before, which have its name too: they are not the run.

        Raises:
            NotUnderstoodError: the body is not usable.
        """

    def check_callback(self, received: InboundReceived) -> str | None:
        """Return the external id that `read_callback` reads, for the order of the callbacks about one run.

        None: it is where the listener finds it by itself, or the callback has none. It is called by the listener for
        every callback, so it is quick, and `read_callback` can only perhaps read what it takes.

        Raises:
            NotAboutARunError: it is an event about something else.
            NotUnderstoodError: it is certainly not about a run that can be recognised.
        """

    def read_callback(self, received: InboundReceived) -> ExternalReport:
        """Read a notification or polled body.

        Raises:
            NotUnderstoodError: the body is not usable.
        """


@runtime_checkable
class FollowsLocation(Protocol):
    """A spoke that finds a run by the address which its system named when it accepted the run without an id."""

    def to_follow(self, href: str) -> Call | None:
        """Return the GET of an address; None if it is not followed."""

    def read_followed(self, response: HttpResponse) -> ExternalReport | str | None:
        """Return the run that an answer shows or names, the address where to ask next, or nothing yet.

        Raises:
            NotUnderstoodError: the body is not usable.
        """


@runtime_checkable
class ReadsLists(Protocol):
    """A spoke that reads the runs of a list as reports, so that a probe can show what its profile makes of them."""

    def read_list(self, response: HttpResponse, limit: int) -> tuple[ExternalReport, ...]:
        """Return what a page of the list shows about its first runs.

        Raises:
            NotUnderstoodError: the body is no list.
        """


@runtime_checkable
class ChangesInRoot(Protocol):
    """A spoke that changes a child which was POSTed inside of its root by a PATCH of the root."""

    def to_change_in_root(self, root: RunRow, children: Sequence[RunRow], idempotency_key: str) -> Call:
        """PATCH of a root with all its children; what each child shall have is its `sent`, parents before children."""

    def child_in_root(self, response: HttpResponse, child: RunRow) -> HttpResponse:
        """Return what a response that shows the root shows of one child: a response without a body if it does not."""


@runtime_checkable
class NamesChildren(Protocol):
    """A spoke that can tell its system which children a run has."""

    def to_name_children(self, parent: RunRow, grandparent: RunRow | None, children: Sequence[RunRow]) -> Call:
        """PATCH of a run with all its children; `grandparent` is what its own POST named as its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProcess:
    """What a response says of the processing of a change; `href` is where to ask next, if it names an address."""

    state: TaskState
    href: str | None = None
    reasons: tuple[Reason, ...] = ()


@runtime_checkable
class FollowsChanges(Protocol):
    """A spoke whose system processes changes later, and shows that as a process or monitor of its own."""

    def read_process(self, response: HttpResponse, row: RunRow) -> ChangeProcess | None:
        """Read the 202 to a change, or the answer of the address that it names; None if it is about the run itself.

        Raises:
            NotUnderstoodError: the body is not usable.
        """

    def to_read_process(self, href: str) -> Call | None:
        """Return the GET of such an address; None if it is not at the system itself."""


async def do_nothing() -> None:
    """Do nothing before a call."""


class CallPreventedError(Exception):
    """A call was not made, because the system is down; the message says why the last one was not processed."""


def admit_all() -> None:
    """Prevent no call."""


class SpokeCaller(Protocol):
    """The one HTTP client: limit, authenticate, send, bound, and report whether a request was perhaps sent."""

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Make one attempt; never raises for what the network or the other side does.

        `admit` is called when it is the call's turn, and nothing is done yet; what it raises prevents the call.
        `before` is awaited when there is a connection, right before anything is sent on it; what it raises prevents
        that. It may be awaited more than once. It is not awaited where no connection can be made.
        """
