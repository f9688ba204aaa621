"""What a system reports late, or again, over Kafka: an older word changes no result, and nothing is told twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, Result, UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest


async def report(service: ServiceUnderTest, external_id: str, state: str, value: object) -> None:
    measure = {"id": "TM1", "metricName": "metric TM1", "value": value}
    run = {"id": external_id, "state": state, "testMeasure": [measure]}
    body = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": run}}
    received = InboundReceived(
        spoke="fibre-lab",
        external_id=external_id,
        channel=Channel.CALLBACK,
        received_at=datetime.now(UTC),
        body=orjson.dumps(body),
    )
    await service.publish(received)


async def test_fault_an_older_word_an_empty_value_and_repetitions_after_the_end_change_nothing(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path) as service:
        await service.request(a_document("TR1", measures=("TM1",)))
        first = await service.result_of("TR1")
        assert first.external_id is not None
        await report(service, first.external_id, "inProgress", "-1")
        await report(service, first.external_id, "completed", "")
        for _ in range(40):
            await report(service, first.external_id, "failed", "")
        await report(service, first.external_id, "completed", "corrected")

        def is_corrected() -> bool:
            return any(one.test_measure[0].value == "corrected" for one in service.results())

        await service.wait_until(is_corrected, "the corrected result")
        told = [(one.result, one.test_measure[0].value) for one in service.distinct_results()]
        assert told == [(Result.PASS, first.test_measure[0].value), (Result.PASS, "corrected")]

        def stale_reasons() -> list[list[str]]:
            stale = {one.revision: one for one in service.updates("TR1") if one.kind is UpdateKind.STALE}
            return [[reason.code for reason in one.reasons] for one in stale.values()]

        # Updates are on another topic than results, which this test may read later.
        await service.wait_until(lambda: ["LATE_MEASURES"] in stale_reasons(), "the update about the corrected result")
        assert stale_reasons() == [["STALE_REPORT"], ["STALE_REPORT"], ["LATE_MEASURES"]]
        assert service.dead_letters() == []
        assert await service.stop()
