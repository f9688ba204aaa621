"""Decide the next step of a registration at a hub by what the system answered to the last one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
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


RESTING = frozenset({Phase.REGISTERED, Phase.ASSUMED, Phase.OCCUPIED, Phase.UNSUPPORTED})
# Notifications arrive, as far as can be known.
IN_EFFECT = frozenset({Phase.REGISTERED, Phase.ASSUMED, Phase.VERIFYING, Phase.TIDYING})

NEXT_PHASE: Mapping[tuple[Phase, Answer], Phase] = MappingProxyType(
    {
        (Phase.SEARCHING, Answer.FOUND): Phase.REGISTERED,
        (Phase.SEARCHING, Answer.NOT_FOUND): Phase.REGISTERING,
        (Phase.SEARCHING, Answer.UNREADABLE): Phase.REGISTERING,
        (Phase.SEARCHING, Answer.UNVERIFIABLE): Phase.REGISTERED,
        (Phase.REGISTERING, Answer.CREATED): Phase.REGISTERED,
        (Phase.REGISTERING, Answer.REPLACED): Phase.TIDYING,
        (Phase.REGISTERING, Answer.EXISTS): Phase.CONFIRMING,
        (Phase.REGISTERING, Answer.NO_HUB): Phase.UNSUPPORTED,
        (Phase.CONFIRMING, Answer.FOUND): Phase.REGISTERED,
        (Phase.CONFIRMING, Answer.NOT_FOUND): Phase.OCCUPIED,
        (Phase.CONFIRMING, Answer.UNREADABLE): Phase.ASSUMED,
        (Phase.TIDYING, Answer.REMOVED): Phase.REGISTERED,
        (Phase.VERIFYING, Answer.PRESENT): Phase.REGISTERED,
        (Phase.VERIFYING, Answer.GONE): Phase.SEARCHING,
        (Phase.VERIFYING, Answer.UNREADABLE): Phase.SEARCHING,
        (Phase.REGISTERED, Answer.DUE): Phase.VERIFYING,
        (Phase.ASSUMED, Answer.DUE): Phase.REGISTERING,
        (Phase.OCCUPIED, Answer.DUE): Phase.REGISTERING,
        (Phase.UNSUPPORTED, Answer.DUE): Phase.REGISTERING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The registration at one system.

    `unnamed`: the system accepted it and named no id. `suspected`: notifications seem to be lost, so the registration
    is made again where it cannot be verified.
    """

    phase: Phase = Phase.SEARCHING
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
        return replace(renewed, phase=Phase.SEARCHING) if renewed.phase is Phase.VERIFYING and not self.id else renewed


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
    in_search = registration.phase is Phase.SEARCHING and answer is Answer.UNREADABLE
    if in_search and registration.unnamed and not registration.suspected:
        return Answer.UNVERIFIABLE
    return answer
