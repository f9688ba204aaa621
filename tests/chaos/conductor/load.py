"""Lifecycle events of runs, drawn by a seeded dice, and what the oracle expects of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from tests.builders.runs import a_document, a_tree

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from schemas.lifecycle import LifecycleEvent
    from tests.chaos.conductor.oracle import Oracle

CHILDREN = 3
CHANGES = 3


class Shape(StrEnum):
    """What one key has."""

    QUICK = "quick"  # a run that is answered at once
    LINE = "line"  # a run whose result comes by a callback, or by a poll if that is lost
    COPPER = "copper"  # the same, at the other system
    TREE = "tree"  # a root with three children
    CHANGED = "changed"  # a run with three changes, completed only after the last one
    CANCELLED = "cancelled"  # a run and its cancellation
    REFUSED = "refused"  # a run that the system refuses with 400
    POISON = "poison"  # bytes that are no event, before a run of the same key
    HOT = "hot"  # a run with two hundred changes
    NO_KEY = "no key"  # a run whose record has no key
    LATE_CHANGES = "late changes"  # undecodable bytes, and a run with three changes behind them


MIXED: Mapping[Shape, int] = {
    Shape.QUICK: 4,
    Shape.LINE: 3,
    Shape.COPPER: 2,
    Shape.TREE: 1,
    Shape.CHANGED: 2,
    Shape.CANCELLED: 1,
    Shape.REFUSED: 1,
}
SPECIFICATIONS = {
    Shape.QUICK: "fibre-quick",
    Shape.LINE: "fibre-line",
    Shape.COPPER: "copper-line",
    Shape.CHANGED: "fibre-change",
    Shape.CANCELLED: "fibre-cancel",
    Shape.REFUSED: "copper-refused",
    Shape.POISON: "fibre-quick",
    Shape.HOT: "fibre-change",
    Shape.NO_KEY: "fibre-quick",
    Shape.LATE_CHANGES: "fibre-change",
}
HOT_CHANGES = 200
RUBBISH = b"\xffrubbish"


@dataclass(frozen=True, slots=True)
class LoadItem:
    """The records of one key, in their order; bytes are produced as they are."""

    key: str
    records: tuple[LifecycleEvent | bytes, ...]
    keyed: bool = True


@dataclass(slots=True, kw_only=True)
class Load:
    """Draws the next key. `weights` say how often each shape comes."""

    tag: str
    dice: random.Random
    weights: Mapping[Shape, int]
    letters: set[tuple[str, str]] = field(default_factory=set)  # (code, key) of the dead letters that are expected
    number: int = 0

    def draw(self, oracle: Oracle) -> LoadItem:
        """Return the records of the next key, after the oracle was told what to expect."""
        self.number += 1
        (shape,) = self.dice.choices([*self.weights], [*self.weights.values()])
        run = f"{self.tag}-{self.number}"
        oracle.expect(run)
        if shape is Shape.TREE:
            root = a_tree(run, CHILDREN)
            for child in root.children:
                oracle.expect(child.run_id, run)
            return LoadItem(run, (RunRequested(run=root),))
        if shape in (Shape.POISON, Shape.LATE_CHANGES):
            self.letters.add(("UNDECODABLE", run))
        return LoadItem(run, tuple(_records(shape, run)), keyed=shape is not Shape.NO_KEY)


def _records(shape: Shape, run: str) -> list[LifecycleEvent | bytes]:
    spec = SPECIFICATIONS[shape]
    if shape in (Shape.CHANGED, Shape.HOT, Shape.LATE_CHANGES):
        last = (HOT_CHANGES if shape is Shape.HOT else CHANGES) + 1
        documents = [a_document(run, spec=spec, version=n, description=f"v{n}/{last}") for n in range(1, last + 1)]
        changes = [RunChanged(run=document) for document in documents[1:]]
        rubbish = [RUBBISH] if shape is Shape.LATE_CHANGES else []
        return [*rubbish, RunRequested(run=documents[0]), *changes]
    requested = RunRequested(run=a_document(run, spec=spec))
    if shape is Shape.CANCELLED:
        return [requested, RunCancelled(run_id=run, root_run_id=run)]
    return [RUBBISH, requested] if shape is Shape.POISON else [requested]
