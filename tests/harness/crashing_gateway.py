"""The handlers in a process that dies at a chosen moment and is started again over the same store and topics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.routing.waiting.release import ABANDONED_AFTER
from consumers.routing.waiting.threshold_cache import ThresholdCache
from consumers.spokes.port import do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from tests.fakes.external_system import LOCKED, NO_RESPONSE, FakeSystem, body_of, json_answer
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.runtime.handler import Record
    from consumers.spokes.port import Call
    from producers.publisher import Message
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse


class CrashError(BaseException):
    """The process is gone; no handler can catch it."""


@dataclass(slots=True)
class CrashPoint:
    """Counts what the process does to the world; at the chosen deed it dies, before or after doing it."""

    at_action: int | None = None
    after: bool = False
    actions: int = 0
    crashed: bool = False

    def reach(self, *, after: bool) -> None:
        """Die if this is the moment."""
        self.actions += not after
        if self.actions - 1 == self.at_action and self.after is after and not self.crashed:
            self.crashed = True
            raise CrashError


class CrashingStore(InMemoryRunStore):
    """A store whose user may die around a save."""

    def __init__(self, crash_point: CrashPoint) -> None:
        super().__init__()
        self.crash_point = crash_point

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        self.crash_point.reach(after=False)
        await super().save(*rows)
        self.crash_point.reach(after=True)


class CrashingPublisher(RecordingPublisher):
    """A publisher whose user may die before a batch or when half of it is out."""

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
    """How a system treats one run."""

    busy_responses: int = 0  # POSTs that are answered 423 first
    rejects: bool = False
    loses_response: bool = False  # the first POST is taken, and its answer lost


@dataclass(slots=True)
class CrashingSystem(FakeSystem):
    """A system whose caller may die around a call. `doubts` are POSTs whose caller never heard the answer."""

    crash_point: CrashPoint = field(default_factory=CrashPoint)
    faults: dict[str, RunFaults] = field(default_factory=dict)
    unexplained_posts: list[str] = field(default_factory=list)
    _in_doubt: set[str] = field(default_factory=set)
    _posts: dict[str, int] = field(default_factory=dict)

    async def call(self, spoke: str, call: Call, before: Callable[[], None] = do_nothing) -> HttpResponse | NoResponse:
        """Answer one call, and judge whether it should have been made."""
        self.crash_point.reach(after=False)
        self._check_repeated_post(call)
        answer = await FakeSystem.call(self, spoke, call, before)
        if call.purpose is Purpose.SEND:
            answer = self._apply_faults(call, answer)
        self.crash_point.reach(after=True)
        if call.purpose is Purpose.SEND and isinstance(answer, HttpResponse):
            self._in_doubt.discard(body_of(call)["name"])
        return answer

    def duplicated_runs(self) -> list[str]:
        """Name the runs that this system has more than once."""
        words = [str(test["name"]).split()[-1] for test in self.tests.values()]
        return [word for word in {*words} if words.count(word) > 1]

    def _check_repeated_post(self, call: Call) -> None:
        if call.purpose is Purpose.LOOK_UP:
            self._in_doubt.discard(dict(call.query)["name"])
        if call.purpose is Purpose.SEND:
            name = body_of(call)["name"]
            if name in self._in_doubt:
                self.unexplained_posts.append(name)
            self._in_doubt.add(name)

    def _create(self, body: dict[str, object]) -> HttpResponse:
        word = str(body["name"]).split()[-1]
        temper = self.faults.get(word, RunFaults())
        self._posts[word] = self._posts.get(word, 0) + 1
        if self._posts[word] <= temper.busy_responses:
            return LOCKED
        if temper.rejects:
            return json_answer(422, {"code": "referenceNotFound", "reason": "no such line"})
        return FakeSystem._create(self, body)

    def _apply_faults(self, call: Call, answer: HttpResponse | NoResponse) -> HttpResponse | NoResponse:
        word = str(body_of(call)["name"]).split()[-1]
        temper = self.faults.get(word, RunFaults())
        return NO_RESPONSE if temper.loses_response and self._posts[word] == 1 else answer


class CrashingGateway(InMemoryGateway):
    """A gateway that is started again after its death, on the records that were not committed yet."""

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
        """Settle, through the one death."""
        self.finished.clear()
        try:
            await self.run_until_idle()
        except CrashError:
            self._restart()
            await self.run_until_idle()

    async def advance_one_hour(self) -> None:
        """Let those go who wait for their turn, through the one death; after it, somebody looks after the dead."""
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
        self.reread(self._uncommitted()[-self.reread_records :] if self.reread_records else [])

    def _uncommitted(self) -> list[Record]:
        # What was a dead letter may be understood later: read again then, it would rightly change what is seen.
        dead = [
            place for place, record in enumerate(self.finished) if any(record is one for one, _ in self.dead_lettered)
        ]
        return self.finished[max(dead, default=-1) + 1 :]


async def _cancel_other_tasks() -> None:
    """End what the dead process was about to do besides."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
