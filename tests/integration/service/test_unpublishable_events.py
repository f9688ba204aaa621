"""An event that cannot be published is explained in a dead letter or waits for its topic; it never blocks silently."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from producers.publisher import Message
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import RESULT_TIMEOUT, TopicListener, a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ConsumedEvent, ServiceUnderTest

IMMEDIATE_COMPLETION = Script(default=completes_immediately())


def admin_of(service: ServiceUnderTest) -> AdminClient:
    return AdminClient({"bootstrap.servers": service.settings.kafka.servers})


def set_max_message_bytes(service: ServiceUnderTest, size: int) -> None:
    """Set the size limit of messages on the results topic."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, service.topics.results, incremental_configs=[entry])
    admin = admin_of(service)
    admin.incremental_alter_configs([topic])[topic].result(RESULT_TIMEOUT)


def original_message(letter: ConsumedEvent) -> Message:
    """Return the message that became a dead letter."""
    headers = tuple(header for header in letter.headers if not header[0].startswith("southbound-dlq-"))
    return Message(str(letter.header("southbound-dlq-topic")), letter.key, letter.value, headers)


async def test_a_result_that_its_topic_refuses_is_a_dead_letter_and_a_redrive_publishes_it(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=IMMEDIATE_COMPLETION) as service:
        set_max_message_bytes(service, 4_000)
        many = tuple(uuid.uuid4().hex for _ in range(200))
        await service.request(a_document("BIG", measures=many))
        letter = await service.wait_until(lambda: next(iter(service.dead_letters()), None), "the dead letter")
        assert letter.header("southbound-dlq-code") == "MESSAGE_TOO_LARGE"
        reason = str(letter.header("southbound-dlq-reason"))
        assert f"too large for topic {service.topics.results}: raise the topic's `max.message.bytes`" in reason
        await service.request(a_document("SMALL"))
        await service.result_of("SMALL")
        set_max_message_bytes(service, 1_000_000)
        await service.publisher.publish([original_message(letter)])
        assert len((await service.result_of("BIG")).test_measure) == len(many)
        assert len(service.systems["fibre-lab"].request_log.posts()) == 2


async def test_without_a_dead_letter_topic_only_the_key_of_the_bad_record_waits_until_it_is_there(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=IMMEDIATE_COMPLETION) as service:
        admin, name = admin_of(service), service.topics.dlq
        admin.delete_topics([name], operation_timeout=RESULT_TIMEOUT)[name].result(RESULT_TIMEOUT)
        await service.produce(service.topics.lifecycle, b"BAD", b"rubbish")
        await service.request(a_document("GOOD"))
        await service.result_of("GOOD")
        admin.create_topics([NewTopic(name, 1, 1)], operation_timeout=RESULT_TIMEOUT)[name].result(RESULT_TIMEOUT)
        with closing(TopicListener(kafka_bootstrap, [name])) as listener:
            letters = await service.wait_until(lambda: listener.on(name), "the dead letter")
        assert [letter.value for letter in letters] == [b"rubbish"]
        assert await service.stop()
