"""Judge what the external systems and the result topic saw, without asking Southbound.

Everything is reported as it happens, in the order in which a system received it, so that a run needs a few dozen
bytes and a million events can be judged. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_UPS = 3  # conclusive answers "not there" that a second POST needs, docs/guarantees.md
# Seconds from the write of a POST to its record here: a busy system reads late. Longer stalls are recorded.
TRANSIT_TOLERANCE = 0.5
# Seconds for which a disturbance explains what begins after it: a session has to end, or a client connects again after
# up to 5 seconds (`reconnect.backoff.max.ms`), and then members rejoin.
LINGER = 8.0
MAX_TRACED = 20_000  # runs whose requests are kept, for the words of a violation
MAX_NAMED = 20  # violations of one kind that are kept with their words; the others are counted


class Fault(StrEnum):
    """What a system did to one request."""

    NONE = "none"
    BUSY = "busy"  # 503
    THROTTLED = "throttled"  # 429 with Retry-After
    ERROR = "error"  # 500 after the run was created
    RESET_BEFORE = "reset-before"  # the connection is reset, nothing is created
    RESET_AFTER = "reset-after"  # the run is created, then the connection is reset
    HANG_BEFORE = "hang-before"  # nothing is created and no answer comes
    HANG_AFTER = "hang-after"  # the run is created and no answer comes
    HEADERS_ONLY = "headers-only"  # the run is created, the status comes, the body never does
    OVERSIZED = "oversized"  # the run is created, the body is larger than the profile allows
    INVALID_BODY = "invalid-body"  # the run is created, the body is not JSON
    CLOSE_IDLE = "close-idle"  # the answer comes, and the connection is closed without notice afterwards
    SLOW = "slow"  # the answer comes late

    @property
    def turns_away(self) -> bool:
        """Whether the answer says that the run was not begun, so that another POST needs no look-up."""
        return self in (Fault.BUSY, Fault.THROTTLED)

    @property
    def creates(self) -> bool:
        """Whether the system has the run afterwards."""
        return not (self.turns_away or self in (Fault.RESET_BEFORE, Fault.HANG_BEFORE))


class Breach(StrEnum):
    """What must never happen."""

    LOST = "lost"
    REORDERED = "reordered"
    CHILD_BEFORE_PARENT = "child before its parent"
    UNEXPLAINED_POST = "unexplained second POST"
    CREATED_TWICE = "created twice"
    CHANGED_POST = "second POST with another body or key"
    UNEXPLAINED_PATCH = "unexplained second PATCH"
    TWO_RESULTS = "two results"
    UNREQUESTED = "unrequested run"
    REVISION_FELL = "revision fell"
    COMMITTED_TOO_FAR = "committed above an unfinished record"
    DEAD_LETTER = "unexpected dead letter"
    MISSING_LETTER = "missing dead letter"
    LAG = "lag after the end"
    EXIT_CODE = "unexpected exit code"
    UNREPORTED = "not reported"
    SPLIT_BRAIN = "written to an old primary"
    STUCK = "the conductor waited in vain"
    CONDUCTOR = "the conductor failed"


@dataclass(slots=True)
class SeenRun:
    """What the system has seen of one run since its first POST that may have arrived."""

    key: str
    digest: int
    at: float
    fault: Fault
    created: bool
    not_found: int = 0  # conclusive look-ups since the last POST
    last_not_found: float = 0.0
    version: int = 1  # of the newest change that was PATCHed
    version_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Oracle:
    """Collects what happened. `settle_time` is that of the profiles."""

    settle_time: float
    parents: dict[str, str] = field(default_factory=dict)  # child -> parent
    expected: set[str] = field(default_factory=set)  # runs that must have a result
    runs: dict[str, SeenRun] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)  # run -> id of its result
    request_results: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    breaches: Counter[Breach] = field(default_factory=Counter)
    named: dict[Breach, list[str]] = field(default_factory=dict)
    _disturbed: list[float] = field(default_factory=list)
    _periods: list[list[float]] = field(default_factory=list)  # [begin, end]
    _stalls: list[tuple[float, float]] = field(default_factory=list)  # (begin, end)
    _revisions: dict[str, int] = field(default_factory=dict)
    _unresolved: set[str] = field(default_factory=set)
    _traces: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)

    def breach(self, kind: Breach, words: str) -> None:
        """Record a violation."""
        self.breaches[kind] += 1
        kept = self.named.setdefault(kind, [])
        if len(kept) < MAX_NAMED:
            kept.append(words)

    def trace(self, run: str, words: str) -> None:
        """Keep what was seen of a run, for the words of a violation."""
        self._traces.setdefault(run, []).append(words)
        if len(self._traces) > MAX_TRACED:
            self._traces.popitem(last=False)

    def traced(self, run: str) -> str:
        """Return what was seen of a run."""
        return " | ".join(self._traces.get(run, ()))

    def expect(self, run: str, parent: str | None = None) -> None:
        """Record that a run was requested."""
        self.expected.add(run)
        if parent is not None:
            self.parents[run] = parent

    def disturbed(self, at: float) -> None:
        """Record that processes, the broker or the store were disturbed. Times must not fall."""
        self._disturbed.append(at)

    def stalled(self, since: float, until: float) -> None:
        """Record that the systems read nothing during this time: a POST that they read then was written before."""
        self._stalls.append((since, until))

    def _written_at(self, read_at: float) -> float:
        """Return since when a POST may have been written that was read then."""
        during = [since for since, until in self._stalls if since <= read_at <= until + TRANSIT_TOLERANCE]
        return min(during, default=read_at)

    @contextmanager
    def lasting(self, now: Callable[[], float]) -> Iterator[None]:
        """Record that a disturbance lasts while the block runs."""
        period = [now(), math.inf]
        self._periods.append(period)
        try:
            yield
        finally:
            period[1] = now()

    def is_disturbed(self, since: float, until: float) -> bool:
        """Return whether there was a disturbance within the interval, or shortly before it."""
        first = bisect.bisect_left(self._disturbed, since - LINGER)
        if first < len(self._disturbed) and self._disturbed[first] <= until:
            return True
        return any(begin <= until and end >= since - LINGER for begin, end in self._periods)

    def posted(self, run: str, *, key: str, digest: int, at: float, fault: Fault, refused: bool = False) -> None:
        """Record a POST, before it is answered. `refused`: the system does not want this run, whatever happens."""
        self.counts["posts"] += 1
        self.trace(run, f"{at:.2f} POST {'refused' if refused else fault}")
        if run not in self.expected:
            self.breach(Breach.UNREQUESTED, f"{run} was POSTed and never requested")
        self._judge_parent(run)
        if (before := self.runs.get(run)) is not None:
            self._judge_repeat(run, before, key, digest, at)
        if fault.turns_away:
            self.counts["turned away"] += 1
            return
        created = (fault.creates and not refused) or (before is not None and before.created)
        self.runs[run] = SeenRun(key=key, digest=digest, at=at, fault=fault, created=created)
        if not created:
            self._unresolved.add(run)

    def _judge_parent(self, run: str) -> None:
        parent = self.parents.get(run)
        if parent is not None and not ((history := self.runs.get(parent)) and history.created):
            self.breach(Breach.CHILD_BEFORE_PARENT, f"{run} was POSTed before the system had {parent}")

    def _judge_repeat(self, run: str, before: SeenRun, key: str, digest: int, at: float) -> None:
        self.counts["second posts"] += 1
        words = (
            f"{run}, {at - before.at:.2f} s after a POST with the fault {before.fault}, {before.not_found} look-ups: "
        )
        words += self.traced(run)
        if before.created:
            self.breach(Breach.CREATED_TWICE, words)
        elif not self._is_explained(before, at):
            self.breach(Breach.UNEXPLAINED_POST, words)
        if (key, digest) != (before.key, before.digest):
            self.breach(Breach.CHANGED_POST, words)

    def _is_explained(self, before: SeenRun, at: float) -> bool:
        """Return whether a fault was recorded and a look-up settled it: a GET alone explains nothing."""
        settled = before.last_not_found - self._written_at(before.at) >= self.settle_time - TRANSIT_TOLERANCE
        disturbed = before.fault is not Fault.NONE or self.is_disturbed(before.at, at)
        return disturbed and settled and before.not_found >= LOOK_UPS

    def looked_up(self, run: str | None, *, at: float) -> None:
        """Record a look-up that was answered in full; None: the whole list was read."""
        self.counts["look-ups"] += 1
        self.trace(run or "every run", f"{at:.2f} look-up")
        for name in self._unresolved if run is None else {run} & self._unresolved:
            history = self.runs[name]
            history.not_found += 1
            history.last_not_found = at

    def patched(self, run: str, version: int, *, at: float) -> None:
        """Record a PATCH that carries a version of the run; a system answers it after this."""
        self.counts["patches"] += 1
        self.trace(run, f"{at:.2f} PATCH v{version}")
        history = self.runs[run]
        if version < history.version:
            self.breach(Breach.REORDERED, f"{run}: version {version} after {history.version}: {self.traced(run)}")
        elif version == history.version:
            self.counts["second patches"] += 1
            if not self.is_disturbed(history.version_at, at) and history.fault is Fault.NONE:
                self.breach(Breach.UNEXPLAINED_PATCH, f"{run}: {self.traced(run)}")
        history.version, history.version_at = max(version, history.version), at

    def faulted(self, run: str, fault: Fault) -> None:
        """Record what the system did to a PATCH of this run, which explains that it is repeated."""
        if fault is not Fault.NONE:
            self.runs[run].fault = fault

    def result(self, run: str, event_id: str) -> None:
        """Record a `RunResult`. The same event may come twice, another one may not."""
        first = self.results.setdefault(run, event_id)
        self.counts["results"] += 1
        if first != event_id:
            self.breach(Breach.TWO_RESULTS, f"{run}: {first} and {event_id}")
        elif run not in self.expected:
            self.breach(Breach.UNREQUESTED, f"{run} has a result and was never requested")

    def request_result(self, root: str, event_id: str) -> None:
        """Record a `RequestResult`."""
        if self.request_results.setdefault(root, event_id) != event_id:
            self.breach(Breach.TWO_RESULTS, f"request of {root}: two results")

    def updated(self, run: str, revision: int, *, repeated: bool) -> None:
        """Record an in-flight update; `repeated`: its event id was seen before."""
        self.counts["updates"] += 1
        if not repeated and revision < self._revisions.get(run, 0):
            self.breach(Breach.REVISION_FELL, f"{run}: {revision} after {self._revisions[run]}")
        self._revisions[run] = max(revision, self._revisions.get(run, 0))

    def created(self, run: str) -> bool:
        """Return whether a system has the run."""
        return (history := self.runs.get(run)) is not None and history.created

    def open_runs(self) -> set[str]:
        """Return the runs that have no result yet."""
        return self.expected - self.results.keys()

    def judge_end(self) -> None:
        """Record as lost what has no result."""
        for run in sorted(self.open_runs()):
            seen = self.traced(run) or ("POSTed, longer ago than is kept" if run in self.runs else "never POSTed")
            self.breach(Breach.LOST, f"{run}: no result; {seen}")
        for root in sorted(self.expected - self.parents.keys() - self.request_results.keys()):
            self.breach(Breach.LOST, f"{root}: no result of the request")
