"""Route a request: decide once on its root, store it with its runs, and command what is to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done
from consumers.store.port import ConflictError
from consumers.troubles import reason_of, run_exists
from router.happenings import CancelledUnsent, GivenUp, Routed
from router.hierarchy import HierarchyError, expand
from router.identity import request_id_of
from router.memory import SEND, born, led_to
from router.policy import Payload
from router.runs import RequestRow, RunRow
from router.trouble import Trouble
from schemas.commands import SendRun
from schemas.outcomes import Reason
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.deciding import Decider, Route
    from consumers.moves import Mover
    from consumers.runtime.outcomes import Outcome
    from consumers.wishes import Move
    from router.hierarchy import HierarchyLimits
    from schemas.documents import RunDocument
    from schemas.envelope import Event

NOBODY: Mapping[str, RunRow] = MappingProxyType({})
NOT_SENT = CancelledUnsent(
    why=Reason(code="ROOT_SENT_ALONE", message="The decision table says that only the root of this hierarchy is sent.")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRuns:
    """Decide and command. `waiting` are rows of runs that came earlier, by run id."""

    mover: Mover
    decide: Decider
    limits: HierarchyLimits

    async def __call__(self, event: Event, root: RunDocument, waiting: Mapping[str, RunRow] = NOBODY) -> Outcome:
        """Route a whole hierarchy, or a single run."""
        try:
            runs = expand(root, self.limits)
        except HierarchyError as error:
            return await self._give_up(event, waiting.get(root.run_id), error.trouble)
        route = self.decide(root)
        if isinstance(route, Trouble):
            return await self._give_up(event, waiting.get(root.run_id), route)
        chosen = runs if route.decision.hierarchical else runs[:1]
        return await self._store(event, self._request(root, route), chosen, waiting)

    async def _store(
        self, event: Event, request: RequestRow, runs: Sequence[RunDocument], waiting: Mapping[str, RunRow]
    ) -> Outcome:
        new, moves = self.placed(event, request, runs, waiting)
        chosen = {run.run_id for run in runs}

        def commands(moved: Sequence[RunRow]) -> Sequence[SendRun]:
            rows = {row.run_id: row for row in (*new, *moved)}
            return _commands([rows[run.run_id] for run in runs])

        aside: list[Move] = [(row, (NOT_SENT,)) for run_id, row in waiting.items() if run_id not in chosen]
        try:
            await self.mover.intend_all(event, [*moves, *aside], [request, *new], commands)
        except ConflictError:
            if waiting:
                raise
            return await self._known_already(event, runs)
        return Done()

    def placed(
        self, event: Event, request: RequestRow | RunRow, runs: Sequence[RunDocument], waiting: Mapping[str, RunRow]
    ) -> tuple[list[RunRow], list[Move]]:
        """Give the new rows of runs that belong to this request, and the moves of those that waited for it."""
        new = [born(self._row(run, request), event.id) for run in runs if run.run_id not in waiting]
        moves: list[Move] = [(waiting[run.run_id], (_routed(run, request),)) for run in runs if run.run_id in waiting]
        return new, moves

    async def send(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Command a root and its children to be sent; saying it twice gives the same command ids."""
        if rows:
            await self.mover.voice.say(event, _commands(rows), decision=rows[0].decision)

    async def send_each(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Command runs that join a request which is under way: each by itself, whatever its payload was."""
        if rows:
            await self.mover.voice.say(event, [send_command(row) for row in rows], decision=rows[0].decision)

    async def send_again(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Command what this event routed in an earlier life; a run that dispatch has touched was commanded then."""
        made = [row for row in rows if led_to(row, event.id, SEND)]
        unsent = [row for row in made if row.phase is Phase.ROUTED]
        if rows[0] not in made:
            await self.send_each(event, unsent)
        elif not _is_bundle(rows[0]) or rows[0] in unsent:
            await self.send(event, unsent)

    async def _known_already(self, event: Event, runs: Sequence[RunDocument]) -> Outcome:
        root = runs[0]
        rows = await self.mover.store.runs_of_request(request_id_of(root.run_id, root.version))
        known = {row.run_id: row for row in rows}
        if any(run.run_id not in known or differs(known[run.run_id], run) for run in runs):
            return DeadLetter(run_exists(root))
        await self.send_again(event, rows)
        return Done()

    async def _give_up(self, event: Event, waiting: RunRow | None, trouble: Trouble) -> Outcome:
        if waiting is not None:
            await self.mover.intend(event, waiting, GivenUp(reasons=(reason_of(trouble),)))
        return DeadLetter(trouble)

    def _request(self, root: RunDocument, route: Route) -> RequestRow:
        return RequestRow(
            request_id=request_id_of(root.run_id, root.version),
            root_run_id=root.run_id,
            tenant=root.tenant,
            spoke=route.spoke,
            decision=route.decision,
            explanation=route.explanation,
            created_at=self.mover.now(),
        )

    def _row(self, run: RunDocument, request: RequestRow | RunRow) -> RunRow:
        now = self.mover.now()
        return RunRow(
            run_id=run.run_id,
            root_run_id=run.root_run_id,
            parent_run_id=run.parent_run_id,
            tenant=run.tenant,
            request_id=request.request_id,
            spoke=request.spoke,
            decision=request.decision,
            phase=Phase.ROUTED,
            requested=run,
            created_at=now,
            updated_at=now,
            revision=1,
        )


def _commands(rows: Sequence[RunRow]) -> list[SendRun]:
    """Give a command for each run; one for all of them where the root takes its children along (`bundle`)."""
    root, *others = rows
    if _is_bundle(root):
        return [send_command(root, tuple(row.requested for row in others))]
    return [send_command(row) for row in rows]


def _is_bundle(row: RunRow) -> bool:
    return row.decision is not None and row.decision.payload == Payload.BUNDLE


def send_command(row: RunRow, children: tuple[RunDocument, ...] = ()) -> SendRun:
    """Give the command that sends a run, with the children that travel inside it."""
    if row.decision is None:
        raise TypeError(f"Run {row.run_id} was never routed.")
    document = row.requested.model_copy(update={"children": children}) if children else row.requested
    return SendRun(run=document, request_id=row.request_id, spoke=row.spoke, decision=row.decision)


def _routed(run: RunDocument, request: RequestRow | RunRow) -> Routed:
    if request.decision is None:
        raise TypeError(f"Request {request.request_id} was never decided.")
    return Routed(request_id=request.request_id, spoke=request.spoke, decision=request.decision, document=run)


def differs(row: RunRow, run: RunDocument) -> bool:
    """Tell whether the same id came with other content: a mistake. An older version is only a late repetition."""
    known, repeated = (one.model_copy(update={"children": ()}) for one in (row.requested, run))
    return known.version < run.version or (known.version == run.version and known != repeated)
