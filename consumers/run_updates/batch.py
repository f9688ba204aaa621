"""Grant the wishes of concurrent handlers together: make all moves, store all rows, tell everybody.

Done for many runs in a row, a step costs half of what it costs run by run, because its code and data are still in
the processor's caches; see ADR-0021. Each wish succeeds or fails by itself, as if it had come alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from router.runs.advance import Transition, advance
from router.runs.events import Reported
from router.runs.processed_events import remember
from router.runs.request_result import conclude
from schemas.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from consumers.run_updates.announce import Announcer
    from consumers.store.port import RunStore
    from router.runs.events import Happening
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.codec.envelope import Event
    from schemas.commands import Command
    from schemas.results import RequestResult, RunUpdate

    Said = RunUpdate | RunResult | RequestResult | Command
    Move = tuple[RunRow, tuple[Happening, ...]]  # a row as it was read, and what happened to it
    CommandsFor = Callable[[Sequence[RunRow]], Sequence[Command]]


class UpdateRequest(NamedTuple):
    """What one handler wants: rows moved, new rows, and commands besides the news that the moves make."""

    cause: Event
    moves: Sequence[Move]
    new: Sequence[RequestRow | RunRow | ThresholdUse]
    commands: CommandsFor | None


class UpdateResult(NamedTuple):
    """What is stored. `told` waits for Kafka to have the news; None: more must be read before they can be told."""

    rows: tuple[RunRow, ...]
    news: Sequence[RunUpdate | RunResult]
    commands: Sequence[Command]
    told: Awaitable[None] | None


def rows_of(wish: UpdateRequest) -> int:
    """Say how many rows a wish writes, about; measures count, because they are rows too."""
    return len(wish.new) + sum([1 + len(row.measures) + _reported(happenings) for row, happenings in wish.moves])


def _reported(happenings: tuple[Happening, ...]) -> int:
    return sum([len(one.report.measures) for one in happenings if isinstance(one, Reported)])


async def grant_together(
    wishes: Sequence[UpdateRequest], *, store: RunStore, voice: Announcer, at: datetime
) -> list[UpdateResult | Exception]:
    """Move, store, tell. Where a wish cannot be granted, its answer says why.

    Raises:
        StoreUnavailableError: nothing was stored.
    """
    made = [_moved(wish, at) for wish in wishes]
    to_save = [_rows(wish, steps) for wish, steps in zip(wishes, made, strict=True)]
    answers = iter(await store.save_each([rows for rows in to_save if rows]))
    errors = [next(answers) if rows else None for rows in to_save]
    return [
        steps if isinstance(steps, Exception) else error or _granted(wish, steps, voice)
        for wish, steps, error in zip(wishes, made, errors, strict=True)
    ]


def _moved(wish: UpdateRequest, at: datetime) -> list[Transition] | Exception:
    try:
        return [_step(wish.cause, row, happenings, at) for row, happenings in wish.moves]
    except Exception as error:  # noqa: BLE001 - it belongs to the one who wished it
        return error


def _step(cause: Event, row: RunRow, happenings: tuple[Happening, ...], at: datetime) -> Transition:
    step = advance(row, happenings, at)
    return Transition(remember(step, happenings, cause.id), step.announcements) if step.moved else step


def _rows(wish: UpdateRequest, steps: list[Transition] | Exception) -> list[RunRow | RequestRow | ThresholdUse]:
    return [] if isinstance(steps, Exception) else [*wish.new, *[step.row for step in steps if step.moved]]


def _granted(wish: UpdateRequest, steps: list[Transition], voice: Announcer) -> UpdateResult | Exception:
    rows = tuple([step.row for step in steps])
    news = [word for step in steps for word in step.announcements]
    try:
        commands = wish.commands(rows) if wish.commands else ()
        told = _told(wish.cause, rows, news, commands, voice)
    except Exception as error:  # noqa: BLE001 - it belongs to the one who wished it
        return error
    return UpdateResult(rows=rows, news=news, commands=commands, told=told)


def _told(
    cause: Event,
    rows: tuple[RunRow, ...],
    news: Sequence[RunUpdate | RunResult],
    commands: Sequence[Command],
    voice: Announcer,
) -> Awaitable[None] | None:
    said: list[Said] = [*news, *commands]
    if any(isinstance(word, RunResult) for word in news):
        if not is_alone(rows[0]):
            return None
        closing = conclude(rows[:1])
        if closing is not None:
            said.insert(len(news), closing)
    decision = rows[0].decision if news else commands[0].decision if commands else None
    return voice.say(cause, said, decision=decision)


def is_alone(row: RunRow) -> bool:
    """Tell whether the request's result follows from this one run."""
    return row.decision is not None and not row.decision.hierarchical
