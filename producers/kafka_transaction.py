"""Write several records to Kafka in one transaction, as the only writer of its name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from producers.kafka_errors import code_of, sentence_for
from producers.publisher import PublishError, RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message as Report

    from producers.publisher import Message

_STEP_TIMEOUT = 20.0  # seconds for each step
_TRANSACTION_TIMEOUT_MS = 30_000  # until Kafka aborts a transaction whose writer died; readers wait for it
_BY_KEY = -1  # as a partition: librdkafka chooses it
_TOO_LARGE = "MESSAGE_TOO_LARGE"
_FENCED_CODES = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001 - librdkafka's spelling


class ProducerFencedError(Exception):
    """Another writer of the same name has taken over; nothing of this transaction was written."""


class TransactionalWriter:
    """Writes under a name that one writer has at a time: taking it over makes all earlier ones fail.

    Blocks its thread. After `init_transactions`, a reader with `read_committed` gets everything that earlier writers
    wrote or ever will. So a writer that reads it then and calls `write` has missed nothing.
    """

    def __init__(self, settings: Mapping[str, object], name: str, *, step_timeout: float = _STEP_TIMEOUT) -> None:
        # Being fenced raises an exception; librdkafka would print it on stderr as well.
        quiet = {"log_level": 0, "error_cb": lambda _: None}
        own = {"transactional.id": name, "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS}
        self._producer = Producer({**settings, **quiet, **own})
        self._name = name
        self._step_timeout = step_timeout
        self._is_too_large = False  # a message of this transaction

    def init_transactions(self) -> None:
        """Become the one writer of this name.

        Raises:
            PublishError: Kafka refuses it.
        """
        try:
            self._producer.init_transactions(self._step_timeout)
        except KafkaException as exception:
            raise self._publish_error(exception) from exception

    def write(self, messages: Sequence[Message], partitions: Mapping[int, int] | None = None) -> None:
        """Write all messages or none.

        `partitions`: by the index of a message its partition; that of the others follows from the key.

        Raises:
            ProducerFencedError: another writer took over.
            RecordTooLargeError: Kafka will never accept one of them on its topic.
            PublishError: Kafka did not accept them.
        """
        try:
            self._transact(messages, partitions or {})
        except KafkaException as exception:
            # So fails the transaction after one with a message that was too large; its abort corrects the numbers.
            if exception.args[0].code() != KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER:
                raise self._failure(exception) from exception
            self._retry(messages, partitions or {})

    def _retry(self, messages: Sequence[Message], partitions: Mapping[int, int]) -> None:
        try:
            self._transact(messages, partitions)
        except KafkaException as exception:
            raise self._failure(exception) from exception

    def _transact(self, messages: Sequence[Message], partitions: Mapping[int, int]) -> None:
        self._is_too_large = False
        try:
            self._producer.begin_transaction()
            for index, message in enumerate(messages):
                self._produce(message, partitions.get(index, _BY_KEY))
            self._producer.commit_transaction(self._step_timeout)
        except KafkaException as exception:
            if exception.args[0].code() not in _FENCED_CODES:
                self._abort()
            raise

    def _failure(self, exception: KafkaException) -> PublishError | ProducerFencedError:
        if exception.args[0].code() in _FENCED_CODES:
            return ProducerFencedError(self._name)
        return self._publish_error(exception)

    def _produce(self, message: Message, partition: int) -> None:
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    partition,
                    self._on_delivery,
                    headers=list(message.headers),
                )
            except BufferError:
                self._producer.poll(0.1)  # librdkafka's queue is full
            else:
                return

    def _on_delivery(self, error: KafkaError | None, _report: Report) -> None:
        # The transaction fails with the error of any of its messages, perhaps one that followed from this.
        if error is not None and code_of(error) == _TOO_LARGE:
            self._is_too_large = True

    def _abort(self) -> None:
        # An open transaction would block all readers of the topic; Kafka aborts it in the end if this cannot.
        with suppress(KafkaException):
            self._producer.abort_transaction(self._step_timeout)

    def _publish_error(self, exception: KafkaException) -> PublishError:
        kind = RecordTooLargeError if self._is_too_large else PublishError
        return kind(sentence_for(exception.args[0], f"the transactional id {self._name}"))
