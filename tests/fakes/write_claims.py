"""Claims on runs at targets in a dictionary. They pass the contract suite of the real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.store.claims.write_claims import NOT_WRITTEN, ClaimResult, WrittenRun

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.store.claims.write_claims import WriteClaim


@dataclass(slots=True)
class _Entry:
    run: WrittenRun = NOT_WRITTEN
    holder: str | None = None
    since: datetime | None = None


class InMemoryWriteClaims:
    """Keeps claims in a dictionary."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    async def read(self, target: str, run_id: str) -> WrittenRun:
        entry = self._entries.get((target, run_id))
        return entry.run if entry else NOT_WRITTEN

    async def claim(self, claim: WriteClaim) -> ClaimResult:
        entry = self._entries.setdefault((claim.target, claim.run_id), _Entry())
        if entry.run.written > claim.revision or (entry.run.written == claim.revision and not claim.force):
            return ClaimResult.WRITTEN
        held = entry.holder not in (None, claim.writer)
        if held and entry.since is not None and entry.since > claim.abandoned_before:
            return ClaimResult.BUSY
        entry.holder, entry.since = claim.writer, claim.at
        if claim.posts:
            entry.run = replace(entry.run, posted_at=claim.at)
        return ClaimResult.CLAIMED

    async def complete(self, claim: WriteClaim, target_id: str | None) -> None:
        if entry := self._owned(claim):
            target_id = target_id or entry.run.target_id
            entry.run = WrittenRun(target_id=target_id, written=claim.revision)
            entry.holder = entry.since = None

    async def release(self, claim: WriteClaim, *, posted: bool) -> None:
        if entry := self._owned(claim):
            entry.run = entry.run if posted else replace(entry.run, posted_at=None)
            entry.holder = entry.since = None

    async def forget(self, claim: WriteClaim) -> None:
        if entry := self._owned(claim):
            entry.run = replace(entry.run, target_id=None, posted_at=None)

    def delete(self, run_id: str) -> None:
        """Delete what is known of a run."""
        for key in [key for key in self._entries if key[1] == run_id]:
            del self._entries[key]

    def _owned(self, claim: WriteClaim) -> _Entry | None:
        entry = self._entries.get((claim.target, claim.run_id))
        return entry if entry and entry.holder == claim.writer else None
