"""Close dead letters in transactions: a record that goes back and the note that it did are written together, or not.

So an interrupted command is run again for the rest, and two commands at a time do nothing twice: the one that was
started last takes over, because both write under the same transactional id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from producers.kafka_transaction import ProducerFencedError
from producers.publisher import PublishError, RecordTooLargeError
from schemas.text.counts import count_noun
from southbound.exit_codes import unreachable
from southbound.operations.dlq.letter_status import status_message
from southbound.operations.progress import show_progress
from southbound.operations.publishing.transaction_batches import batch_length, in_batches, wait_for_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.hold.held_letters import HeldRelease
    from producers.kafka_transaction import TransactionalWriter
    from producers.publisher import Message
    from southbound.operations.dlq.edits.edit_letters import EditedLetter
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_status import LetterClosure


@dataclass(frozen=True, slots=True)
class ClosedLetter:
    """A dead letter, and what follows from closing it.

    `message` goes back to its topic, and to `partition` if that is known. `release` lets a record go on that waits.
    `edited` is set if the record that goes back was edited.
    """

    letter: Letter
    message: Message | None = None
    partition: int | None = None
    release: HeldRelease | None = None
    edited: EditedLetter | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        record = self.edited.record if self.edited else self.letter
        return len(record.value or b"") + len(self.letter.key or b"")


@dataclass(slots=True, kw_only=True)
class LetterCloser:
    """Closes dead letters, and reports its progress."""

    writer: TransactionalWriter
    topic: str  # of the notes
    closure: LetterClosure
    rate: float | None = None  # per second
    total: int = 0
    done: int = 0
    too_large: list[Letter] = field(default_factory=list)

    def close_all(self, letters: Iterable[ClosedLetter], on_closed: Callable[[ClosedLetter], None]) -> None:
        """Close dead letters in their order.

        Raises:
            CommandFailedError: Kafka does not accept them, or another command took over; says how many were closed.
        """
        with show_progress(self.closure.state.value, self.total) as on_progress:
            for batch in in_batches(letters, batch_length(self.rate)):
                began = time.monotonic()
                self._close(batch, on_closed)
                on_progress(self.done)
                wait_for_rate(began, len(batch), self.rate)

    def _close(self, batch: list[ClosedLetter], on_closed: Callable[[ClosedLetter], None]) -> None:
        try:
            self._write(batch)
        except RecordTooLargeError:
            if len(batch) == 1:
                self.too_large.append(batch[0].letter)
                return
            # Kafka refuses all of them: which one is too large shows only when each is sent alone.
            for one in batch:
                self._close([one], on_closed)
            return
        except ProducerFencedError:
            raise unreachable(
                f"Another redrive or drop was started and took over; {self.so_far()}: run it again when that has ended"
            ) from None
        except PublishError as error:
            raise unreachable(f"{error}; {self.so_far()}: run the same command again for the rest") from None
        self.done += len(batch)
        for one in batch:
            on_closed(one)

    def _write(self, batch: list[ClosedLetter]) -> None:
        messages: list[Message] = []
        partitions: dict[int, int] = {}
        for one in batch:
            if one.message is not None:
                if one.partition is not None:
                    partitions[len(messages)] = one.partition
                messages.append(one.message)
            closure = replace(self.closure, edited=one.edited.mark) if one.edited else self.closure
            messages.append(status_message(self.topic, one.letter, closure, one.release))
        self.writer.write(messages, partitions)

    def so_far(self) -> str:
        """Return how many of all were closed."""
        return f"{self.done:,} of {count_noun(self.total, 'dead letter')} {self.closure.state.value}"
