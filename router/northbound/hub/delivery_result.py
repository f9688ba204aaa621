"""Classify what a subscriber answered to a delivery, and decide what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from router.responses import NoResponse, retry_after_seconds

if TYPE_CHECKING:
    from datetime import datetime

    from router.responses import HttpResponse

MAX_REFUSALS = 5  # of one event; then it is given up, so that the later events of its run are delivered
# The subscriber has read the event and does not accept it. Every other status concerns all events.
_REFUSALS = frozenset({400, 406, 409, 413, 415, 422})
MAX_RETRY_AFTER = 3600.0  # seconds; a subscriber may ask for a week of silence and be back after an hour


class DeliveryVerdict(StrEnum):
    """The outcome of a delivery."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # this event is not accepted: retried a few times
    FAILED = "failed"  # the subscriber does not work at present: all of its deliveries wait
    GONE = "gone"  # 410: the subscriber says that it wants no more


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """A verdict with a sentence without secrets, and the seconds for which the subscriber asks."""

    verdict: DeliveryVerdict
    problem: str = ""
    retry_after: float = 0.0


def delivery_result(reply: HttpResponse | NoResponse, now: datetime) -> DeliveryResult:
    """Return the result of a delivery. Every 2xx acknowledges it; a redirect does not, and is not followed."""
    if isinstance(reply, NoResponse):
        verdict = DeliveryVerdict.DELIVERED if reply.was_accepted else DeliveryVerdict.FAILED
        return DeliveryResult(verdict=verdict, problem="" if reply.was_accepted else reply.cause)
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return DeliveryResult(verdict=DeliveryVerdict.DELIVERED)
    problem = f"it answered with {reply.status}"
    if reply.status == HTTPStatus.GONE:
        return DeliveryResult(verdict=DeliveryVerdict.GONE, problem=problem)
    if reply.status in _REFUSALS:
        return DeliveryResult(verdict=DeliveryVerdict.REFUSED, problem=problem)
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        problem += ", a redirect, which is not followed"
    asked = retry_after_seconds(reply.headers.get("retry-after"), now) or 0.0
    return DeliveryResult(verdict=DeliveryVerdict.FAILED, problem=problem, retry_after=min(asked, MAX_RETRY_AFTER))
