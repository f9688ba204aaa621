"""Decide whether the run store that a process opened is the one that its consumer groups worked with until now.

Every commit names the store and a mark. The store counts marks up, and a mark is stored before a commit names it:
so a store that is behind a committed mark is older than that commit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_METADATA = re.compile(r"(?:^|\s)store=([0-9a-f]{32}) mark=([0-9]{1,18})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class StoreMark:
    """A store, and how far it had counted when something was committed."""

    store_id: str
    mark: int


def commit_metadata(mark: StoreMark) -> str:
    """Return the metadata of a commit."""
    return f"southbound store={mark.store_id} mark={mark.mark}"


def read_commit_metadata(metadata: str | None) -> StoreMark | None:
    """Return the mark of a commit; None if it names none: an operator or an older version made it."""
    found = _METADATA.search(metadata or "")
    return StoreMark(found[1], int(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """What a store knows of itself.

    `bound`: this gateway worked with it before. `unmarked`: it has runs of a version that did not mark commits.
    `accepted`: other stores whose commits an operator accepted, each up to a mark.
    """

    store_id: str
    mark: int
    has_runs: bool
    bound: bool
    unmarked: bool = False
    accepted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHistory:
    """What Kafka knows of a gateway: the marks of its committed offsets (None: without a mark).

    `has_published`: topics that only a gateway writes hold records, or have held some.
    """

    commits: tuple[StoreMark | None, ...]
    has_published: bool


class Discontinuity(StrEnum):
    """Why a store is not the one that the consumer groups worked with."""

    EMPTY = "empty"
    OLDER = "older"
    OTHER = "other"


def find_discontinuity(store: StoreState, history: GroupHistory) -> Discontinuity | None:
    """Return why the store does not continue what the consumer groups did; None if it does.

    Offsets that were reset, or that expired, are harmless with the store that has the runs.
    """
    marks = [mark for mark in history.commits if mark is not None]
    foreign = [mark for mark in marks if mark.store_id != store.store_id]
    if any(mark.mark > store.accepted.get(mark.store_id, -1) for mark in foreign):
        return Discontinuity.OTHER if store.has_runs or store.bound else Discontinuity.EMPTY
    if any(mark.mark > store.mark for mark in marks if mark.store_id == store.store_id):
        return Discontinuity.OLDER
    worked_before = bool(history.commits) or history.has_published
    if worked_before and not (store.bound or store.unmarked):
        return Discontinuity.OTHER if store.has_runs else Discontinuity.EMPTY
    return None


def highest_marks(commits: Iterable[StoreMark | None]) -> dict[str, int]:
    """Return the highest mark of each store that commits name."""
    highest: dict[str, int] = {}
    for mark in commits:
        if mark is not None:
            highest[mark.store_id] = max(mark.mark, highest.get(mark.store_id, 0))
    return highest
