"""A run store in a dictionary, for tests of what uses one; it passes the suite of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.store.port import ConflictError, ExternalIdTakenError
from router.requests import in_order, is_over
from router.runs import RunRow
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from router.runs import RequestRow


class InMemoryRunStore:
    """Keeps rows in dictionaries. `troubles` are raised by the next saves, one each; those write nothing."""

    def __init__(self, *rows: RunRow | RequestRow) -> None:
        self.runs: dict[str, RunRow] = {}
        self.requests: dict[str, RequestRow] = {}
        self.troubles: list[Exception] = []
        self.closed = False
        self._keep(rows)

    async def run(self, run_id: str) -> RunRow | None:
        return self.runs.get(run_id)

    async def run_to_send(self, run_id: str) -> RunRow | None:
        return self.runs.get(run_id)

    async def run_at(self, spoke: str, external_id: str) -> RunRow | None:
        return next((r for r in self.runs.values() if (r.spoke, r.external_id) == (spoke, external_id)), None)

    async def runs_of_request(self, request_id: str) -> Sequence[RunRow]:
        return in_order([row for row in self.runs.values() if row.request_id == request_id])

    async def has_open_runs(self, request_id: str) -> bool:
        return any(row.request_id == request_id and not is_over(row) for row in self.runs.values())

    async def request(self, request_id: str) -> RequestRow | None:
        return self.requests.get(request_id)

    async def save(self, *rows: RunRow | RequestRow) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        before = dict(self.runs), dict(self.requests)
        try:
            for row in rows:
                self._check(row)
                self._keep([row])
        except ConflictError:
            self.runs, self.requests = before
            raise

    async def save_each(self, saves: Sequence[Sequence[RunRow | RequestRow]]) -> Sequence[Exception | None]:
        return [await self._answer(rows) for rows in saves]

    async def _answer(self, rows: Sequence[RunRow | RequestRow]) -> Exception | None:
        try:
            await self.save(*rows)
        except Exception as error:  # noqa: BLE001 - the answer to this one save
            return error
        return None

    async def silent_runs(
        self, spoke: str, since: datetime, limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        silent = [row for row in self.runs.values() if row.spoke == spoke and _is_silent(row, since)]
        ordered = sorted(silent, key=_silence)
        return [row for row in ordered if after is None or _silence(row) > _silence(after)][:limit]

    async def waiting_runs(self, since: datetime, limit: int) -> Sequence[RunRow]:
        waiting = [r for r in self.runs.values() if r.phase is Phase.CREATED and r.spoke == "" and r.created_at < since]
        return sorted(waiting, key=lambda row: (row.created_at, row.run_id))[:limit]

    async def list_runs(
        self, *, phase: Phase | None = None, spoke: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        chosen = [r for r in self.runs.values() if phase in {None, r.phase} and spoke in {None, r.spoke}]
        return sorted(chosen, key=lambda row: (row.updated_at, row.run_id), reverse=True)[:limit]

    async def ping(self) -> None:
        """Dictionaries are always there."""

    async def close(self) -> None:
        self.closed = True

    def _check(self, row: RunRow | RequestRow) -> None:
        if not isinstance(row, RunRow):
            return
        known = self.runs.get(row.run_id)
        if (known.revision if known else 0) != row.revision - 1:
            raise ConflictError(f"run {row.run_id!r} was moved by somebody else")
        for other in self.runs.values():
            same_id = row.external_id is not None and other.external_id == row.external_id
            if same_id and other.spoke == row.spoke and other.run_id != row.run_id:
                raise ExternalIdTakenError(f"run {other.run_id!r} already has {row.external_id!r}")

    def _keep(self, rows: Sequence[RunRow | RequestRow]) -> None:
        for row in rows:
            if isinstance(row, RunRow):
                self.runs[row.run_id] = row
            else:
                self.requests.setdefault(row.request_id, row)


def _is_silent(row: RunRow, since: datetime) -> bool:
    out = row.phase in {Phase.ACCEPTED, Phase.IN_PROGRESS} and row.external_id is not None
    return out and row.updated_at < since


def _silence(row: RunRow) -> tuple[datetime, str]:
    return row.updated_at, row.run_id
