"""Errors of librdkafka are reported with the cause and the remedy."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from producers.kafka_errors import code_of, sentence_for


@pytest.mark.parametrize(
    ("code", "expected", "advice"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "KAFKA_TOPIC_MISSING", "run `southbound topics apply`"),
        (KafkaError._UNKNOWN_TOPIC, "KAFKA_TOPIC_MISSING", "run `southbound topics apply`"),
        (KafkaError._AUTHENTICATION, "KAFKA_LOGIN", "check the SASL mechanism, user and password"),
        (KafkaError._ALL_BROKERS_DOWN, "KAFKA_UNREACHABLE", "check that it runs"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "MESSAGE_TOO_LARGE", "raise the topic's `max.message.bytes`"),
    ],
)
def test_a_known_error_has_a_stable_code_and_a_remedy(code: int, expected: str, advice: str) -> None:
    error = KafkaError(code)
    assert code_of(error) == expected
    assert advice in sentence_for(error, "topic testrun.dlq")


def test_a_sentence_names_the_thing_and_what_librdkafka_says() -> None:
    sentence = sentence_for(KafkaError(KafkaError._UNKNOWN_TOPIC), "topic testrun.dlq")
    assert sentence.startswith("Kafka does not have topic testrun.dlq:")
    assert "_UNKNOWN_TOPIC" in sentence


def test_an_unknown_error_still_names_the_thing() -> None:
    error = KafkaError(KafkaError.INVALID_REQUIRED_ACKS)
    assert code_of(error) == "KAFKA_INVALID_REQUIRED_ACKS"
    assert "problem with topic t" in sentence_for(error, "topic t")


@pytest.mark.parametrize(
    "timing", ["after 0ms in state CONNECT", "after 3ms in state UP, 4 identical error(s) suppressed"]
)
def test_one_reason_to_wait_has_one_sentence_whatever_its_timing(timing: str) -> None:
    error = KafkaError(KafkaError._RESOLVE, f"Failed to resolve 'h:1': Name not known ({timing})")
    assert sentence_for(error, "the cluster").endswith("(_RESOLVE: Failed to resolve 'h:1': Name not known)")
