"""Keep the specifications that are on the topic, and those of them that are in the store, up to date."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from consumers.specifications.published_specifications import PublishedSpecifications
from consumers.specifications.run_specifications import NONE_KNOWN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.table_topic.port import TableTopicRead
    from schemas.run_document import AppliedSpecification

BEING_READ = "the topic of specifications is being read"


class SpecificationObserver(Protocol):
    """Observes which specifications are known."""

    def specifications_known(self, known: int, unreadable: Mapping[str, str]) -> None:
        """Observe how many are known, and which records cannot be read, with the reason."""

    def follow_failed(self, reason: str) -> None:
        """Record why the topic cannot be followed."""


class LiveSpecifications:
    """The specifications of this moment. One task processes the records of the topic."""

    def __init__(self, observer: SpecificationObserver) -> None:
        self._observer = observer
        self._published = PublishedSpecifications()
        self._read_to_the_end = False
        self._known = NONE_KNOWN
        self._problem = ""

    def known(self) -> Mapping[str, AppliedSpecification]:
        """Return what runs take from each specification, by id."""
        return self._known

    def published(self) -> PublishedSpecifications | None:
        """Return the records of the topic; None until it was read to its end."""
        return self._published if self._read_to_the_end else None

    @property
    def missing(self) -> str | None:
        """What is missing before anything can be routed; None if nothing is."""
        return None if self._read_to_the_end else self._problem or BEING_READ

    async def process(self, read: TableTopicRead) -> None:
        """Process records of the topic."""
        if read.problem and read.problem != self._problem:
            self._observer.follow_failed(read.problem)
        self._problem = read.problem
        before = self._published
        self._published = before.with_records(read.entries) if read.entries else before
        newly_read = read.at_end and not self._read_to_the_end
        self._read_to_the_end = self._read_to_the_end or read.at_end
        # Before the end, what is read may have been replaced or deleted long ago.
        if self._read_to_the_end and (newly_read or read.entries):
            readable = self._published.readable
            self._known = MappingProxyType({spec_id: one.applied for spec_id, one in readable.items()})
            self._observer.specifications_known(len(readable), self._published.unreadable)

    async def process_all(self, reads: AsyncIterator[TableTopicRead]) -> None:
        """Follow the topic for the life of the process."""
        async for read in reads:
            await self.process(read)
