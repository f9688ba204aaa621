"""Know what those hope for whom another process put in line, by a selector that is not ours.

During a rolling deployment two selectors are live. If each process put all requests in line by its own, they would go
to and fro between the two, and every time the world would be told. So a request stays where it stands, and whoever has
room for it first lets it go. What it waits for by our selector is asked for, and remembered for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    Names = tuple[str, ...]

LIFETIME = timedelta(seconds=30)  # others of that part of the line may wait for something else
UNLIMITED = ""  # the name of what has room at any time


@dataclass(slots=True)
class ForeignWaits:
    """What requests wait for by our selector, by what the line says of them."""

    _found: dict[Names, set[str]] = field(default_factory=dict)
    _until: datetime | None = None

    def groups_to_ask_about(self, line: Iterable[Names], known: Collection[str], now: datetime) -> list[Names]:
        """Give the parts of the line that wait for definitions which are not `known`, and are to be asked about now."""
        if self._until is None or now >= self._until:
            self.clear(now)
        return [names for names in line if names not in self._found and any(name not in known for name in names)]

    def clear(self, now: datetime) -> None:
        """Know nothing any more."""
        self._found.clear()
        self._until = now + LIFETIME

    def mark_asked(self, parts: Iterable[Names]) -> None:
        """Take in that our selector was asked about all in these parts of the line."""
        for names in parts:
            self._found.setdefault(names, set())

    def add(self, names: Names, ours: Names) -> None:
        """Take in that a request of which the line says `names` waits for `ours`."""
        self._found.setdefault(names, set()).update(ours)

    def definitions_for(self, names: Names) -> set[str]:
        """Give every definition by which somebody in this part of the line may go."""
        return {*names, *self._found.get(names, ())}
