"""What the other arms do with one event: the least that may be called the same job."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import orjson

from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.lifecycle import RunRequested

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

ENVELOPE = Envelope(Codec())
RESULT_TYPE = "southbound.RunResult"


def read_request(record: Message) -> tuple[str, bytes]:
    """Return the run id of an event and the body to POST."""
    headers = cast("Iterable[tuple[str, bytes | None]]", record.headers() or ())
    event = ENVELOPE.decode(record.value(), headers, fallback_id="none")
    if not isinstance(event.data, RunRequested):
        raise TypeError(f"{event.type} is not part of this benchmark")
    run = event.data.run
    measures = [{"id": one.id, "metricName": one.metric_name} for one in run.test_measure]
    characteristics = [{"name": one.name, "value": one.value} for one in run.characteristic]
    body = {
        "name": run.name,
        "description": run.description,
        "relatedService": {"id": run.related_service.id},
        "testSpecification": {"id": run.test_specification.id},
        "characteristic": characteristics,
        "testMeasure": measures,
    }
    return run.run_id, orjson.dumps(body)


def encode_result(run_id: str, answer: bytes) -> bytes:
    """Return the value of the result event."""
    said = cast("dict[str, object]", orjson.loads(answer))
    return orjson.dumps({"run_id": run_id, "state": said["state"], "measures": said["testMeasure"]})
