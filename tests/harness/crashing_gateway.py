"""The in-memory gateway with one simulated crash, followed by a restart over the same store and topics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.dispatch.outages import OutageTracker
from consumers.routing.waiting.release import ABANDONED_AFTER
from consumers.routing.waiting.threshold_cache import ThresholdCache
from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from tests.fakes.external_system import LOCKED, NO_RESPONSE, FakeSystem, body_of, json_answer
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.handler import Record
    from consumers.spokes.port import Admit, BeforeCall, Call
    from producers.publisher import Message
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse


class CrashError(BaseException):
    """A simulated crash of the process. It is no `Exception`, so no handler catches it."""


@dataclass(slots=True)
class CrashPoint:
    """Counts the side effects of the process and raises `CrashError` before or after the chosen one."""

    at_action: int | None = None
    after: bool = False
    actions: int = 0
    crashed: bool = False

    def reach(self, *, after: bool) -> None:
        """Raise `CrashError` if this is the chosen point."""
        self.actions += not after
        if self.actions - 1 == self.at_action and self.after is after and not self.crashed:
            self.crashed = True
            raise CrashError


class CrashingStore(InMemoryRunStore):
    """A store that can crash its caller before or after a save."""

    def __init__(self, crash_point: CrashPoint) -> None:
        super().__init__()
        self.crash_point = crash_point

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        self.crash_point.reach(after=False)
        await super().save(*rows)
        self.crash_point.reach(after=True)


class CrashingPublisher(RecordingPublisher):
    """A publisher that can crash its caller before a batch or after half of it is published."""

    def __init__(self, crash_point: CrashPoint) -> None:
        super().__init__()
        self.crash_point = crash_point

    async def publish(self, messages: Sequence[Message]) -> None:
        self.crash_point.reach(after=False)
        half = len(messages) // 2
        await super().publish(messages[:half])
        self.crash_point.reach(after=True)
        await super().publish(messages[half:])


@dataclass(slots=True)
class RunFaults:
    """How the external system misbehaves for one run."""

    busy_responses: int = 0  # number of POSTs answered 423 first
    rejects: bool = False
    loses_response: bool = False  # the first POST is processed, and its response is lost


@dataclass(slots=True)
class CrashingSystem(FakeSystem):
    """An external system that can crash its caller before or after a call.

    `unexplained_posts` are runs that were POSTed again although the result of the last POST was unknown.
    """

    crash_point: CrashPoint = field(default_factory=CrashPoint)
    faults: dict[str, RunFaults] = field(default_factory=dict)
    unexplained_posts: list[str] = field(default_factory=list)
    _in_doubt: set[str] = field(default_factory=set)
    _posts: dict[str, int] = field(default_factory=dict)

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Answer one call, and record whether it was allowed."""

        async def when_it_has_its_slot() -> None:
            await before()
            self.crash_point.reach(after=False)
            self._check_repeated_post(call)

        answer = await FakeSystem.call(self, spoke, call, when_it_has_its_slot, admit)
        if call.purpose is Purpose.SEND:
            answer = self._apply_faults(call, answer)
        self.crash_point.reach(after=True)
        if call.purpose is Purpose.SEND and isinstance(answer, HttpResponse):
            self._in_doubt.discard(body_of(call)["name"])
        return answer

    def duplicated_runs(self) -> list[str]:
        """Return the runs that the system has more than once."""
        run_ids = [str(test["name"]).split()[-1] for test in self.tests.values()]
        return [run_id for run_id in {*run_ids} if run_ids.count(run_id) > 1]

    def _check_repeated_post(self, call: Call) -> None:
        if call.purpose is Purpose.LOOK_UP:
            self._in_doubt.discard(dict(call.query).get("name", ""))
        if call.purpose is Purpose.SEND:
            name = body_of(call)["name"]
            if name in self._in_doubt:
                self.unexplained_posts.append(name)
            self._in_doubt.add(name)

    def _create(self, body: dict[str, object]) -> HttpResponse:
        run_id = str(body["name"]).split()[-1]
        faults = self.faults.get(run_id, RunFaults())
        self._posts[run_id] = self._posts.get(run_id, 0) + 1
        if self._posts[run_id] <= faults.busy_responses:
            return LOCKED
        if faults.rejects:
            return json_answer(422, {"code": "referenceNotFound", "reason": "no such line"})
        return FakeSystem._create(self, body)

    def _apply_faults(self, call: Call, answer: HttpResponse | NoResponse) -> HttpResponse | NoResponse:
        run_id = str(body_of(call)["name"]).split()[-1]
        faults = self.faults.get(run_id, RunFaults())
        return NO_RESPONSE if faults.loses_response and self._posts[run_id] == 1 else answer


class CrashingGateway(InMemoryGateway):
    """A gateway that crashes once, restarts and reads the last records again, as if they were not committed."""

    __slots__ = ("crash_point", "reread_records")

    def __init__(
        self, crash_point: CrashPoint, faults: dict[str, RunFaults], reread_records: int, **more: object
    ) -> None:
        super().__init__(
            store=CrashingStore(crash_point),
            publisher=CrashingPublisher(crash_point),
            system=CrashingSystem(crash_point=crash_point, faults=faults),
            **more,  # type: ignore[arg-type] # fields of a gateway
        )
        self.crash_point = crash_point
        self.reread_records = reread_records

    async def run_through_crash(self) -> None:
        """Process all records. If the gateway crashes, restart it and continue."""
        self.finished.clear()
        try:
            await self.run_until_idle()
        except CrashError:
            self._restart()
            await self.run_until_idle()

    async def advance_one_hour(self) -> None:
        """Advance the clock by an hour and release waiting requests, through the crash.

        Then release what the crash left behind.
        """
        self.clock.at += timedelta(hours=1)
        for _ in range(2):
            try:
                await self.waiting_release.release_due()
            except CrashError:
                await _cancel_other_tasks()
                self._restart()
            await self.run_through_crash()
            self.clock.at += ABANDONED_AFTER + timedelta(seconds=1)
        await self.waiting_release.release_due()
        await self.run_through_crash()

    def _restart(self) -> None:
        self.threshold_cache = ThresholdCache()
        self.outages, self.acknowledgements = OutageTracker(), Acknowledgements()
        self.breakers = self.new_breakers()
        self.reread(self._uncommitted()[-self.reread_records :] if self.reread_records else [])

    def _uncommitted(self) -> list[Record]:
        # A dead letter must not be read again: a second attempt may succeed and would then rightly change the result.
        dead_lettered = [
            index for index, record in enumerate(self.finished) if any(record is dead for dead, _ in self.dead_lettered)
        ]
        return self.finished[max(dead_lettered, default=-1) + 1 :]


async def _cancel_other_tasks() -> None:
    """Cancel all other tasks of the crashed process."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
