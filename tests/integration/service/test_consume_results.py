"""A service without a library of ours reads results, as docs/how-to/consume-results.md shows."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.service import TopicListener, a_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from southbound.settings.settings import KafkaSettings
    from tests.fixtures.service import ServiceUnderTest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "consume-results.md"


def examples() -> list[dict[str, Any]]:
    """Run the examples of the page, and return the names that each defines."""
    found = re.findall(r"<!-- example -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: list[dict[str, Any]] = [{"__name__": "example"} for _ in found]
    for example, defined in zip(found, names, strict=True):
        exec(compile(example, PAGE.name, "exec"), defined)  # noqa: S102 - our own page
    return names


def until_both(results: Iterator[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Read the result of the run and that of its request."""
    found: dict[str, dict[str, Any]] = {}
    for event in results:
        found[event["type"]] = event
        if len(found) == 2:
            break
    return found


async def test_results_are_plain_json_unless_there_is_a_registry(
    service: ServiceUnderTest, kafka_bootstrap: str
) -> None:
    plain, typed = examples()
    await service.request(a_document("TR1", measures=("TM1",)))
    await service.wait_until(service.request_results, "the result of the request")
    results = plain["results"](kafka_bootstrap, service.settings.kafka.prefix, f"g-{service.settings.kafka.prefix}")
    found = await asyncio.wait_for(asyncio.to_thread(until_both, results), 60)
    run, request = found["southbound.RunResult"], found["southbound.RequestResult"]
    assert (run["run_id"], run["state"], run["test_measure"][0]["id"]) == ("TR1", "completed", "TM1")
    assert request["counts"] == {"completed": 1}
    event = next(
        event for event in service.reader.on(service.topics.results) if b'"test_measure"' in (event.value or b"")
    )
    assert typed["describe"](event.value, event.headers).startswith("TR1 is completed: ")
    for update in service.reader.on(service.topics.inflight):
        assert orjson.loads(update.value or b"")["kind"] in set(UpdateKind)


async def test_what_stays_inside_is_avro_although_results_are_json(
    service: ServiceUnderTest, kafka_bootstrap: str
) -> None:
    await service.request(a_document("TR1"))
    await service.result_of("TR1")
    inside = TopicListener(kafka_bootstrap, (service.topics.dispatch("fibre-lab"), service.topics.inbound))
    try:
        for topic in (service.topics.dispatch("fibre-lab"), service.topics.inbound):
            events = await service.wait_until(lambda topic=topic: inside.on(topic), topic)  # type: ignore[misc] # bound
            assert {(event.value or b"")[:2] for event in events} == {b"\xc3\x01"}
    finally:
        await asyncio.to_thread(inside.close)


async def test_results_are_avro_where_the_setting_says_so(kafka_bootstrap: str, tmp_path: Path) -> None:
    def with_avro(kafka: KafkaSettings) -> KafkaSettings:
        return kafka.model_copy(update={"format": "avro"})

    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        service.settings = service.settings.model_copy(update={"kafka": with_avro(service.settings.kafka)})
        await service.start()
        await service.request(a_document("TR1"))
        await service.result_of("TR1")
        assert {(event.value or b"")[:2] for event in service.reader.on(service.topics.results)} == {b"\xc3\x01"}
