"""Explain in one sentence what a Kafka error means and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES_AND_MESSAGES: Mapping[int, tuple[str, str]] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: (
        "KAFKA_TOPIC_MISSING",
        "Kafka does not have {what}: run `southbound topics apply`",
    ),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        "KAFKA_NOT_ALLOWED",
        "Kafka does not let this user use {what}: grant it the topic's ACLs",
    ),
    KafkaError.GROUP_AUTHORIZATION_FAILED: (
        "KAFKA_NOT_ALLOWED",
        "Kafka does not let this user join the consumer group of {what}: grant it READ on the group",
    ),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "KAFKA_NOT_ALLOWED",
        "Kafka does not let this user use {what}: grant it WRITE and DESCRIBE on it",
    ),
    KafkaError.SASL_AUTHENTICATION_FAILED: (
        "KAFKA_LOGIN",
        "Kafka refuses the login: check the SASL mechanism, user and password",
    ),
    KafkaError._SSL: (  # noqa: SLF001 - librdkafka names its local errors with an underscore
        "KAFKA_TLS",
        "No TLS connection to Kafka: check the security protocol and the certificate authority",
    ),
    KafkaError._TRANSPORT: (  # noqa: SLF001 - as above
        "KAFKA_UNREACHABLE",
        "Kafka does not answer: check that it runs and that `kafka.bootstrap` names it",
    ),
    KafkaError._RESOLVE: (  # noqa: SLF001 - as above
        "KAFKA_UNREACHABLE",
        "A Kafka host name does not resolve: check `kafka.bootstrap` and the brokers' advertised listeners",
    ),
    KafkaError.MSG_SIZE_TOO_LARGE: (
        "MESSAGE_TOO_LARGE",
        "A message is too large for {what}: raise the topic's `max.message.bytes` or send less",
    ),
    KafkaError._MSG_TIMED_OUT: (  # noqa: SLF001 - as above
        "KAFKA_UNREACHABLE",
        "Kafka did not acknowledge a message for {what} in time: check the brokers and in-sync replicas",
    ),
    KafkaError._MAX_POLL_EXCEEDED: (  # noqa: SLF001 - as above
        "WORKER_STALLED",
        "This process did not ask Kafka for records for so long that its partitions were given to others",
    ),
    KafkaError.REBALANCE_IN_PROGRESS: (
        "KAFKA_REBALANCING",
        "Kafka is moving partitions of {what}, so a commit was refused; it is repeated",
    ),
    KafkaError.ILLEGAL_GENERATION: (
        "KAFKA_REBALANCING",
        "Kafka has moved partitions of {what}, so a late commit was refused; their records are read again",
    ),
    KafkaError.FENCED_INSTANCE_ID: (
        "KAFKA_MEMBER_FENCED",
        "Another process has the same `kafka.instance` (`group.instance.id`) as {what}: give each process its own",
    ),
}
_SAME_AS: Mapping[int, int] = {
    KafkaError.UNKNOWN_MEMBER_ID: KafkaError.ILLEGAL_GENERATION,
    KafkaError._UNKNOWN_TOPIC: KafkaError.UNKNOWN_TOPIC_OR_PART,  # noqa: SLF001 - as above
    KafkaError._UNKNOWN_PARTITION: KafkaError.UNKNOWN_TOPIC_OR_PART,  # noqa: SLF001 - as above
    KafkaError._AUTHENTICATION: KafkaError.SASL_AUTHENTICATION_FAILED,  # noqa: SLF001 - as above
    KafkaError._ALL_BROKERS_DOWN: KafkaError._TRANSPORT,  # noqa: SLF001 - as above
    KafkaError._TIMED_OUT: KafkaError._TRANSPORT,  # noqa: SLF001 - as above
}

# The duration of an attempt differs each time; with it, one reason to wait would be reported again and again.
_TIMING = re.compile(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)")


_FENCED = "fenced by other consumer with same group.instance.id"


def code_of(error: KafkaError) -> str:
    """Return a stable code for filters and metrics."""
    number = _number_of(error)
    return _CODES_AND_MESSAGES[number][0] if number in _CODES_AND_MESSAGES else f"KAFKA_{error.name().strip('_')}"


def sentence_for(error: KafkaError, resource: str) -> str:
    """Explain an error of `resource` ("topic testrun.dlq"); librdkafka's message is in brackets."""
    number = _number_of(error)
    meaning = (
        _CODES_AND_MESSAGES[number][1].format(what=resource)
        if number in _CODES_AND_MESSAGES
        else f"Kafka has a problem with {resource}"
    )
    return f"{meaning} ({error.name()}: {_TIMING.sub('', error.str())})"


def _number_of(error: KafkaError) -> int:
    if error.code() == KafkaError._FATAL and _FENCED in error.str():  # noqa: SLF001 - as above
        return KafkaError.FENCED_INSTANCE_ID  # a fatal error has its cause only in its text
    return _SAME_AS.get(error.code(), error.code())
