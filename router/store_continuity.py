"""Decide whether the run store that a process opened is the one that its gateway worked with until now.

A gateway is known by its topics. The store counts marks up, and a mark is stored before the gateway's topic
`testrun.store` names it: so a store that is behind a published mark is older than it was then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.store_claim import StoreClaim


@dataclass(frozen=True, slots=True)
class StoreMark:
    """A store, and how far it had counted."""

    store_id: str
    mark: int


def current_mark(claims: Iterable[StoreClaim]) -> StoreMark | None:
    """Return the store that a gateway works with, and its highest mark; None if nothing was claimed.

    Of two stores that are claimed at once, the first one counts, unless the second one replaced it.
    """
    current = None
    for claim in claims:
        if current is None or (claim.store_id != current.store_id and current.store_id in claim.accepted):
            current = StoreMark(claim.store_id, claim.mark)
        elif claim.store_id == current.store_id:
            current = StoreMark(claim.store_id, max(claim.mark, current.mark))
    return current


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """The identity of a store, as the store records it.

    `bound_to`: the topic prefix of the gateway that works with it. `unmarked`: it has runs of a version that counted no
    marks. `accepted`: other stores that an operator replaced by this one, each up to a mark.
    """

    store_id: str
    mark: int
    has_runs: bool
    bound_to: str | None
    unmarked: bool = False
    accepted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayHistory:
    """What Kafka knows of a gateway: its topic prefix, and the store that it works with.

    `has_published`: topics that only a gateway writes hold records, or have held some.
    """

    prefix: str
    mark: StoreMark | None
    has_published: bool


class Discontinuity(StrEnum):
    """Why a gateway must not work with a store."""

    EMPTY = "empty"
    OLDER = "older"
    OTHER = "other"
    TAKEN = "taken"


def find_discontinuity(store: StoreState, gateway: GatewayHistory) -> Discontinuity | None:
    """Return why the gateway must not work with the store; None if it may.

    Committed offsets are not looked at: any are harmless with the store that has the runs.
    """
    if store.bound_to not in {None, gateway.prefix}:
        return Discontinuity.TAKEN
    replaced = Discontinuity.OTHER if store.has_runs or store.bound_to is not None else Discontinuity.EMPTY
    if gateway.mark is None:
        is_new = store.bound_to is None and not store.unmarked
        return replaced if gateway.has_published and is_new else None
    if gateway.mark.store_id == store.store_id:
        return Discontinuity.OLDER if gateway.mark.mark > store.mark else None
    return replaced if gateway.mark.mark > store.accepted.get(gateway.mark.store_id, -1) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicEnds:
    """Where a topic ended at some time.

    `topic_id`: a topic that is deleted and made anew has another one; empty if the cluster does not tell.
    """

    topic: str
    topic_id: str
    ends: Mapping[int, int]  # partition → offset of its next record

    def have_passed(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether this record was there at that time, if the topic was not made anew since."""
        return topic == self.topic and offset < self.ends.get(partition, 0)

    def are_followed_by(self, later: TopicEnds) -> bool:
        """Return whether `later` is about the same topic, not about one that was made anew."""
        if self.topic_id and later.topic_id:
            return self.topic_id == later.topic_id
        return all(later.ends.get(partition, 0) >= end for partition, end in self.ends.items())
