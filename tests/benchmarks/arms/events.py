"""The work of the other arms on one event: the minimum that counts as the same job."""

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
    measures = [{"id": measure.id, "metricName": measure.metric_name} for measure in run.test_measure]
    characteristics = [{"name": item.name, "value": item.value} for item in run.characteristic]
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
    test = cast("dict[str, object]", orjson.loads(answer))
    return orjson.dumps({"run_id": run_id, "state": test["state"], "measures": test["testMeasure"]})
