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
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.store import InMemoryRunStore
from tests.fakes.system import LOCKED, SILENCE, FakeSystem, body_of, json_answer
from tests.gateway import Gateway

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
class Fate:
    """Counts what the process does to the world; at the chosen deed it dies, before or after doing it."""

    at: int | None = None
    after: bool = False
    deeds: int = 0
    died: bool = False

    def meets(self, *, after: bool) -> None:
        """Die if this is the moment."""
        self.deeds += not after
        if self.deeds - 1 == self.at and self.after is after and not self.died:
            self.died = True
            raise CrashError


class MortalStore(InMemoryRunStore):
    """A store whose user may die around a save."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        self.fate.meets(after=False)
        await super().save(*rows)
        self.fate.meets(after=True)


class MortalPublisher(RecordingPublisher):
    """A publisher whose user may die before a batch or when half of it is out."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    async def publish(self, messages: Sequence[Message]) -> None:
        self.fate.meets(after=False)
        half = len(messages) // 2
        await super().publish(messages[:half])
        self.fate.meets(after=True)
        await super().publish(messages[half:])


@dataclass(slots=True)
class Temper:
    """How a system treats one run."""

    busy: int = 0  # POSTs that are answered 423 first
    refuses: bool = False
    loses: bool = False  # the first POST is taken, and its answer lost


@dataclass(slots=True)
class MortalSystem(FakeSystem):
    """A system whose caller may die around a call. `doubts` are POSTs whose caller never heard the answer."""

    fate: Fate = field(default_factory=Fate)
    tempers: dict[str, Temper] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    _doubts: set[str] = field(default_factory=set)
    _posts: dict[str, int] = field(default_factory=dict)

    async def call(self, spoke: str, call: Call, before: Callable[[], None] = do_nothing) -> HttpResponse | NoResponse:
        """Answer one call, and judge whether it should have been made."""
        self.fate.meets(after=False)
        self._judge(call)
        answer = await FakeSystem.call(self, spoke, call, before)
        if call.purpose is Purpose.SEND:
            answer = self._with_temper(call, answer)
        self.fate.meets(after=True)
        if call.purpose is Purpose.SEND and isinstance(answer, HttpResponse):
            self._doubts.discard(body_of(call)["name"])
        return answer

    def doubles(self) -> list[str]:
        """Name the runs that this system has more than once."""
        words = [str(test["name"]).split()[-1] for test in self.tests.values()]
        return [word for word in {*words} if words.count(word) > 1]

    def _judge(self, call: Call) -> None:
        if call.purpose is Purpose.LOOK_UP:
            self._doubts.discard(dict(call.query)["name"])
        if call.purpose is Purpose.SEND:
            name = body_of(call)["name"]
            if name in self._doubts:
                self.unexplained.append(name)
            self._doubts.add(name)

    def _create(self, body: dict[str, object]) -> HttpResponse:
        word = str(body["name"]).split()[-1]
        temper = self.tempers.get(word, Temper())
        self._posts[word] = self._posts.get(word, 0) + 1
        if self._posts[word] <= temper.busy:
            return LOCKED
        if temper.refuses:
            return json_answer(422, {"code": "referenceNotFound", "reason": "no such line"})
        return FakeSystem._create(self, body)

    def _with_temper(self, call: Call, answer: HttpResponse | NoResponse) -> HttpResponse | NoResponse:
        word = str(body_of(call)["name"]).split()[-1]
        temper = self.tempers.get(word, Temper())
        return SILENCE if temper.loses and self._posts[word] == 1 else answer


class MortalGateway(Gateway):
    """A gateway that is started again after its death, on the records that were not committed yet."""

    __slots__ = ("again", "fate")

    def __init__(self, fate: Fate, tempers: dict[str, Temper], again: int, **more: object) -> None:
        super().__init__(
            store=MortalStore(fate),
            publisher=MortalPublisher(fate),
            system=MortalSystem(fate=fate, tempers=tempers),
            **more,  # type: ignore[arg-type] # fields of a gateway
        )
        self.fate = fate
        self.again = again

    async def live(self) -> None:
        """Settle, through the one death."""
        self.finished.clear()
        try:
            await self.settle()
        except CrashError:
            self._begin_again()
            await self.settle()

    async def an_hour_passes(self) -> None:
        """Let those go who wait for their turn, through the one death; after it, somebody looks after the dead."""
        self.clock.at += timedelta(hours=1)
        for _ in range(2):
            try:
                await self.turns.release_due()
            except CrashError:
                await _bury()
                self._begin_again()
            await self.live()
            self.clock.at += ABANDONED_AFTER + timedelta(seconds=1)
        await self.turns.release_due()
        await self.live()

    def _begin_again(self) -> None:
        self.used_up = ThresholdCache()
        self.read_again(self._uncommitted()[-self.again :] if self.again else [])

    def _uncommitted(self) -> list[Record]:
        # What was a dead letter may be understood later: read again then, it would rightly change what is seen.
        dead = [place for place, record in enumerate(self.finished) if any(record is one for one, _ in self.dead)]
        return self.finished[max(dead, default=-1) + 1 :]


async def _bury() -> None:
    """End what the dead process was about to do besides."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
