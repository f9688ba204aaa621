"""Close dead letters in transactions: a record that goes back and the note that it did are written together, or not.

So an interrupted command is run again for the rest, and two commands at a time do nothing twice: the one that was
started last takes over, because both write under the same transactional id.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from producers.kafka_transaction import ProducerFencedError, TransactionalWriter
from producers.publisher import PublishError, RecordTooLargeError
from schemas.counts import count_noun
from southbound.cli.exit_codes import unreachable
from southbound.operations.console import print_status
from southbound.operations.dlq.letter_status import status_message
from southbound.service.kafka_settings import client_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from consumers.hold.held_letters import HeldRelease
    from producers.publisher import Message
    from schemas.topics import TopicNames
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_status import LetterClosure
    from southbound.settings.settings import Settings

_STEP_TIMEOUT = 10.0  # seconds for each step of a transaction
_MAX_LETTERS = 100  # in one transaction
_MAX_BYTES = 4 * 2**20  # in one transaction; a single dead letter may have more
_BATCHES_PER_SECOND = 4  # with a rate; so often the bar moves
_STATUS_EVERY = 10.0  # seconds, where no bar can be shown


@dataclass(frozen=True, slots=True)
class ClosedLetter:
    """A dead letter, and what follows from closing it.

    `message` goes back to its topic, and to `partition` if that is known. `release` lets a record go on that waits.
    """

    letter: Letter
    message: Message | None = None
    partition: int | None = None
    release: HeldRelease | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.letter.value or b"") + len(self.letter.key or b"")


@dataclass(slots=True, kw_only=True)
class LetterCloser:
    """Closes dead letters, and tells how far it is."""

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
        with _progress(self.closure.state.value, self.total) as advance:
            for batch in _batches(letters, self._batch_length()):
                began = time.monotonic()
                self._close(batch, on_closed)
                advance(self.done)
                if self.rate:
                    # Time that was lost is not caught up: a pause must not end in a burst.
                    time.sleep(max(0.0, began + len(batch) / self.rate - time.monotonic()))

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
            messages.append(status_message(self.topic, one.letter, self.closure, one.release))
        self.writer.write(messages, partitions)

    def so_far(self) -> str:
        """Return how many of all were closed."""
        return f"{self.done:,} of {count_noun(self.total, 'dead letter')} {self.closure.state.value}"

    def _batch_length(self) -> int:
        return min(_MAX_LETTERS, max(1, int(self.rate / _BATCHES_PER_SECOND))) if self.rate else _MAX_LETTERS


def open_writer(settings: Settings, names: TopicNames, partitions: Mapping[str, object]) -> TransactionalWriter:
    """Take over the writing of what becomes of dead letters.

    Raises:
        CommandFailedError: the topic is missing, or Kafka does not allow it.
    """
    if names.dlq_status not in partitions:
        raise unreachable(f"Kafka does not have the topic {names.dlq_status}: run `southbound topics apply`")
    writer = TransactionalWriter(client_settings(settings.kafka), names.dlq_status, step_timeout=_STEP_TIMEOUT)
    try:
        writer.init_transactions()
    except PublishError as error:
        raise unreachable(str(error)) from None
    return writer


def _batches(letters: Iterable[ClosedLetter], length: int) -> Iterator[list[ClosedLetter]]:
    batch: list[ClosedLetter] = []
    size = 0
    for one in letters:
        if batch and (len(batch) >= length or size + one.size > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


@contextmanager
def _progress(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and a line every ten seconds elsewhere."""
    console = Console(file=sys.stderr, stderr=True)
    if not console.is_terminal:
        yield _status_lines(verb, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda done: bar.update(task, completed=done)


def _status_lines(verb: str, total: int) -> Callable[[int], None]:
    told_at = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _STATUS_EVERY:
            told_at = time.monotonic()
            print_status(f"{done:,} of {total:,} {verb}")

    return tell
