"""Cache which thresholds block each request that another process queued, according to this process's selector.

During a rolling deployment two selectors are live. If each process queued all requests by its own selector, requests
would move back and forth between the two, each time with an event. So a request keeps its place in the queue, and the
first process that has a free use releases it. What blocks it by this process's selector is computed and cached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    DefinitionNames = tuple[str, ...]

LIFETIME = timedelta(seconds=30)  # requests of one group may differ
UNLIMITED = ""  # the name of what never blocks


@dataclass(slots=True)
class ForeignWaits:
    """What blocks requests by this process's selector, by the names under which they are queued."""

    _definitions_by_group: dict[DefinitionNames, set[str]] = field(default_factory=dict)
    _expires_at: datetime | None = None

    def groups_to_decide(
        self, groups: Iterable[DefinitionNames], known: Collection[str], now: datetime
    ) -> list[DefinitionNames]:
        """Return the groups that wait for definitions which are not `known`, and whose entry expired."""
        if self._expires_at is None or now >= self._expires_at:
            self.clear(now)
        return [
            names
            for names in groups
            if names not in self._definitions_by_group and any(name not in known for name in names)
        ]

    def clear(self, now: datetime) -> None:
        """Forget everything."""
        self._definitions_by_group.clear()
        self._expires_at = now + LIFETIME

    def mark_decided(self, groups: Iterable[DefinitionNames]) -> None:
        """Record that all requests of these groups were decided by this process's selector."""
        for names in groups:
            self._definitions_by_group.setdefault(names, set())

    def add(self, names: DefinitionNames, ours: DefinitionNames) -> None:
        """Record that a request that is queued under `names` is blocked by `ours`."""
        self._definitions_by_group.setdefault(names, set()).update(ours)

    def definitions_for(self, names: DefinitionNames) -> set[str]:
        """Return every definition that may release a request of this group."""
        return {*names, *self._definitions_by_group.get(names, ())}
