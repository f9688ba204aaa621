"""Decide the next step of a registration at a hub by what the system answered to the last one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HubPhase(StrEnum):
    """What is done next, or what the registration is until it is renewed."""

    SEARCHING = "searching"  # GET of the hub, for a registration of another process or of an earlier start
    REGISTERING = "registering"  # POST
    CONFIRMING = "confirming"  # GET of the hub after 409, to find out whose registration exists
    VERIFYING = "verifying"  # GET of the registration
    TIDYING = "tidying"  # DELETE of the former registration, after a new one
    REGISTERED = "registered"
    ASSUMED = "assumed"  # 409, from a system that does not list its registrations
    OCCUPIED = "occupied"  # 409, and the registration that the system lists is another one
    UNSUPPORTED = "unsupported"  # the system has no hub


class Answer(StrEnum):
    """What an answer of the system says, or that time has passed."""

    FOUND = "found"  # the list has our address
    NOT_FOUND = "notFound"  # the list is readable, and does not have it
    UNREADABLE = "unreadable"  # the system does not list its registrations, or does not show a single one
    UNVERIFIABLE = "unverifiable"  # as UNREADABLE, and another POST could make a second registration
    CREATED = "created"
    REPLACED = "replaced"  # created, and there is a former registration
    EXISTS = "exists"  # 409
    NO_HUB = "noHub"  # 404, 405, 410, 501
    PRESENT = "present"
    GONE = "gone"
    REMOVED = "removed"
    FAILED = "failed"  # to be repeated
    DUE = "due"  # the time of the renewal has come


RESTING = frozenset({HubPhase.REGISTERED, HubPhase.ASSUMED, HubPhase.OCCUPIED, HubPhase.UNSUPPORTED})
# Notifications arrive, as far as can be known.
IN_EFFECT = frozenset({HubPhase.REGISTERED, HubPhase.ASSUMED, HubPhase.VERIFYING, HubPhase.TIDYING})

NEXT_PHASE: Mapping[tuple[HubPhase, Answer], HubPhase] = MappingProxyType(
    {
        (HubPhase.SEARCHING, Answer.FOUND): HubPhase.REGISTERED,
        (HubPhase.SEARCHING, Answer.NOT_FOUND): HubPhase.REGISTERING,
        (HubPhase.SEARCHING, Answer.UNREADABLE): HubPhase.REGISTERING,
        (HubPhase.SEARCHING, Answer.UNVERIFIABLE): HubPhase.REGISTERED,
        (HubPhase.REGISTERING, Answer.CREATED): HubPhase.REGISTERED,
        (HubPhase.REGISTERING, Answer.REPLACED): HubPhase.TIDYING,
        (HubPhase.REGISTERING, Answer.EXISTS): HubPhase.CONFIRMING,
        (HubPhase.REGISTERING, Answer.NO_HUB): HubPhase.UNSUPPORTED,
        (HubPhase.CONFIRMING, Answer.FOUND): HubPhase.REGISTERED,
        (HubPhase.CONFIRMING, Answer.NOT_FOUND): HubPhase.OCCUPIED,
        (HubPhase.CONFIRMING, Answer.UNREADABLE): HubPhase.ASSUMED,
        (HubPhase.TIDYING, Answer.REMOVED): HubPhase.REGISTERED,
        (HubPhase.VERIFYING, Answer.PRESENT): HubPhase.REGISTERED,
        (HubPhase.VERIFYING, Answer.GONE): HubPhase.SEARCHING,
        (HubPhase.VERIFYING, Answer.UNREADABLE): HubPhase.SEARCHING,
        (HubPhase.REGISTERED, Answer.DUE): HubPhase.VERIFYING,
        (HubPhase.ASSUMED, Answer.DUE): HubPhase.REGISTERING,
        (HubPhase.OCCUPIED, Answer.DUE): HubPhase.REGISTERING,
        (HubPhase.UNSUPPORTED, Answer.DUE): HubPhase.REGISTERING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The registration at one system.

    `unnamed`: the system accepted it and named no id. `suspected`: notifications seem to be lost, so the registration
    is made again where it cannot be verified.
    """

    phase: HubPhase = HubPhase.SEARCHING
    id: str | None = None
    former_id: str | None = None  # to be removed
    unnamed: bool = False
    suspected: bool = False

    @property
    def is_resting(self) -> bool:
        """Whether nothing is to be done until the renewal."""
        return self.phase in RESTING

    def due(self, *, suspected: bool = False) -> Registration:
        """Return the registration when it is to be renewed."""
        renewed = replace(self, phase=NEXT_PHASE[self.phase, Answer.DUE], suspected=suspected)
        # Without an id there is nothing to verify but the list.
        return (
            replace(renewed, phase=HubPhase.SEARCHING)
            if renewed.phase is HubPhase.VERIFYING and not self.id
            else renewed
        )


def advance(registration: Registration, answer: Answer, found_id: str | None = None) -> Registration:
    """Return the registration after an answer; `found_id` is the id that the answer shows."""
    if answer is Answer.FAILED:
        return registration
    answer = _refined(registration, answer, found_id)
    moved = replace(registration, phase=NEXT_PHASE[registration.phase, answer])
    match answer:
        case Answer.CREATED | Answer.REPLACED:
            former = registration.id if answer is Answer.REPLACED else None
            return replace(moved, id=found_id, former_id=former, unnamed=found_id is None, suspected=False)
        case Answer.FOUND | Answer.EXISTS:
            return replace(moved, id=found_id or registration.id, unnamed=False, suspected=False)
        case Answer.REMOVED:
            return replace(moved, former_id=None)
        case Answer.NO_HUB:
            return Registration(phase=moved.phase)
    return moved


def _refined(registration: Registration, answer: Answer, found_id: str | None) -> Answer:
    """Return the answer with what the registration adds to its meaning."""
    # A new registration without an id may be the former one.
    if answer is Answer.CREATED and None not in (registration.id, found_id) and registration.id != found_id:
        return Answer.REPLACED
    in_search = registration.phase is HubPhase.SEARCHING and answer is Answer.UNREADABLE
    if in_search and registration.unnamed and not registration.suspected:
        return Answer.UNVERIFIABLE
    return answer
