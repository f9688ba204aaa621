"""The events of a benchmark: single runs as an ordering service requests them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.publisher import Message
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunRequested
from schemas.run_document import Characteristic, RelatedParty
from tests.builders.runs import NOON, a_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.run_document import RunDocument

CHARACTERISTICS = (
    Characteristic(name="speed", value=250, value_type="integer"),
    Characteristic(name="technology", value="GPON"),
    Characteristic(name="accessPoint", value="HVT-0815/17-3"),
)
MEASURES = ("TM1", "TM2")


def a_request(run_id: str) -> RunDocument:
    """Return a run document with three characteristics, two requested measures, a description and a party."""
    return a_document(
        run_id,
        characteristic=CHARACTERISTICS,
        measures=MEASURES,
        description="Customer reports slow downloads in the evening; please measure the line.",
        related_party=(RelatedParty(id="ACC0042", referred_type="Customer", name="Example Ltd", role="customer"),),
        tenant="bench",
    )


def run_ids(name: str, events: int) -> list[str]:
    """Return ids of runs, each its own root and therefore its own key."""
    return [f"{name}-{number:06d}" for number in range(events)]


def encode_requests(topic: str, ids: Iterable[str]) -> list[Message]:
    """Return one encoded `RunRequested` per run."""
    envelope = Envelope(Codec(), source="/bench")
    return [_message(envelope, topic, run_id) for run_id in ids]


def _message(envelope: Envelope, topic: str, run_id: str) -> Message:
    event = Event(headers=EventHeaders(id=f"e-{run_id}", time=NOON), data=RunRequested(run=a_request(run_id)))
    value, headers = envelope.encode(event)
    return Message(topic, run_id.encode(), value, headers)
