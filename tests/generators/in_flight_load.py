"""Runs by the draws of a seed: single ones and hierarchies, of which some are changed and some cancelled in flight."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any

from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.run_document import Characteristic, RunDocument, ServiceRef
from tests.builders.runs import a_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.lifecycle import LifecycleEvent

TREE_SIZE = 3  # a root and two children
IN_HIERARCHIES, CHANGED, CANCELLED = 0.3, 0.3, 0.1  # shares of all runs
REPOSTED = "reposted"
ROOTED = "rooted"  # a child is changed by a PATCH of its root
SERVICES = ("fibre", "copper", "slice", "bundled", ROOTED, REPOSTED)
CHARACTERISTIC = "profile"
LAST_VERSION = 3  # of a run that is changed: twice


class Fate(StrEnum):
    """What happens to a request in flight; the value is the specification of its runs."""

    LEFT_ALONE = "line"
    CHANGED = "waits-for-a-change"
    CANCELLED = "waits-for-ever"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One request, and what its runs must become. `early`: it is changed or cancelled without waiting for anything."""

    root_run_id: str
    children: tuple[str, ...]
    service: str
    fate: Fate
    early: bool

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Its runs, the root first."""
        return (self.root_run_id, *self.children)

    @property
    def last_version(self) -> int:
        """The version whose content its runs must have in the end."""
        return LAST_VERSION if self.fate is Fate.CHANGED else 1

    def requested(self) -> RunRequested:
        """Return the first event."""
        return RunRequested(run=self._document(1))

    def in_flight(self) -> Sequence[LifecycleEvent]:
        """Return the events that follow: only the last change has the characteristic that the systems wait for."""
        if self.fate is Fate.CANCELLED:
            return [RunCancelled(run_id=self.root_run_id, root_run_id=self.root_run_id, reason="not needed")]
        return [RunChanged(run=self._document(version)) for version in range(2, self.last_version + 1)]

    def _document(self, version: int) -> RunDocument:
        children = tuple(
            self._run(run_id, version, parent=self.root_run_id, order=number)
            for number, run_id in enumerate(self.children, start=1)
        )
        return self._run(self.root_run_id, version, children=children)

    def _run(self, run_id: str, version: int, **more: Any) -> RunDocument:  # noqa: ANN401 - as of a document
        setting = Characteristic(name=CHARACTERISTIC, value=setting_of(version))
        document = a_document(
            run_id,
            spec=self.fate.value,
            characteristic=(setting,),
            measures=("M1",),
            description=content(version),
            version=version,
            **more,
        )
        return document.model_copy(update={"related_service": ServiceRef(id="PI0001", type=self.service)})


def content(version: int) -> str:
    """Return the description of a run of this version."""
    return f"version {version}"


def setting_of(version: int) -> str:
    """Return the characteristic of a run of this version: the first change leaves it alone."""
    return content(LAST_VERSION if version == LAST_VERSION else 1)


def planned_requests(seed: int, runs: int) -> list[PlannedRequest]:
    """Return requests with about this many runs, in the order of the draws."""
    dice = Random(f"{seed}/load")  # noqa: S311 - no secret
    trees = round(runs * IN_HIERARCHIES / TREE_SIZE)
    sizes = [TREE_SIZE] * trees + [1] * (runs - trees * TREE_SIZE)
    decks = _Decks(dice)
    planned = [_planned(number, size, fate, decks) for number, (size, fate) in enumerate(_with_fates(sizes))]
    dice.shuffle(planned)
    return planned


def _with_fates(sizes: Sequence[int]) -> Iterator[tuple[int, Fate]]:
    """Yield each size with a fate, so that the shares hold among hierarchies and among single runs."""
    for number, size in enumerate(sizes):
        place = number % 10
        changed, ended = round(10 * CHANGED), round(10 * (CHANGED + CANCELLED))
        yield size, Fate.CHANGED if place < changed else Fate.CANCELLED if place < ended else Fate.LEFT_ALONE


class _Decks:
    """Deals the services: among requests of one kind, each has its turn before the first one comes again."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self._left: dict[tuple[bool, Fate], list[str]] = {}

    def deal(self, size: int, fate: Fate) -> str:
        deck = self._left.setdefault((size > 1, fate), [])
        if not deck:
            deck += _services_of(size, fate)
            self.dice.shuffle(deck)
        return deck.pop()


def _planned(number: int, size: int, fate: Fate, decks: _Decks) -> PlannedRequest:
    root = f"R{number:05}"
    return PlannedRequest(
        root_run_id=root,
        children=tuple(f"{root}-{child}" for child in range(1, size)),
        service=decks.deal(size, fate),
        fate=fate,
        early=decks.dice.random() < 0.5,
    )


def _services_of(size: int, fate: Fate) -> Sequence[str]:
    """Return the services whose systems can do this: a root with children cannot be POSTed again."""
    return [service for service in SERVICES if service != REPOSTED or size == 1 or fate is not Fate.CHANGED]


def interleaved(planned: Sequence[PlannedRequest], seed: int) -> list[LifecycleEvent]:
    """Return the requests, and at some distance behind each what follows it early, in an order that the seed draws."""
    dice = Random(f"{seed}/order")  # noqa: S311 - no secret
    placed: list[tuple[float, LifecycleEvent]] = []
    for number, request in enumerate(planned):
        place: float = number
        placed.append((place, request.requested()))
        for event in request.in_flight() if request.early else ():
            place += dice.choice((0.001, 5.0, 60.0))
            placed.append((place, event))
    return [event for _, event in sorted(placed, key=lambda each: each[0])]
