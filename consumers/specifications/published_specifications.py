"""Read the records of the topic of specifications, and plan the ones that change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from consumers.table_topic.latest_records import with_later_records
from consumers.table_topic.publish_plan import PublishPlan
from consumers.table_topic.published_tables import UnreadableRecord
from router.northbound.patches.patch import is_equal
from router.specifications.checks import check_specification, check_stored_specification
from router.specifications.definition import SpecificationError, read_specification
from schemas.published_tables import SpecificationRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumers.table_topic.port import Entry
    from consumers.table_topic.publish_plan import Authorship
    from schemas.run_document import AppliedSpecification

MAX_SPECIFICATIONS = 10_000
MAX_DOCUMENT_BYTES = 256 * 1024  # of one specification; a run takes a part of it along


class PublishedSpecification(NamedTuple):
    """A record, and what a run takes from it."""

    record: SpecificationRecord
    applied: AppliedSpecification

    @property
    def mistake(self) -> str | None:
        """The first mistake for which it would be refused if it was written now; runs take from it all the same."""
        try:
            check_stored_specification(self.record.document)
        except SpecificationError as error:
            return error.sentences[0]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSpecifications:
    """The last record of every key of the topic of specifications.

    `deleted` has the last revision of each id whose deletion was read, for at most `MAX_SPECIFICATIONS` of them: a
    record and its deletion can be read together.
    """

    records: Mapping[str, PublishedSpecification | UnreadableRecord] = field(
        default_factory=lambda: MappingProxyType({})
    )
    deleted: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def with_records(self, records: Iterable[Entry]) -> PublishedSpecifications:
        """Return the state after more records (key and value), in the order of the topic."""
        revisions = {spec_id: one.record.revision for spec_id, one in self.readable.items()}

        def parse(key: str, value: bytes) -> PublishedSpecification | UnreadableRecord:
            one = _parse_record(key, value)
            if isinstance(one, PublishedSpecification):
                revisions[key] = one.record.revision
            return one

        latest = with_later_records(self.records, records, parse)
        seen = {**self.deleted, **revisions}
        deleted = [(spec_id, revision) for spec_id, revision in seen.items() if spec_id not in latest]
        return PublishedSpecifications(records=latest, deleted=MappingProxyType(dict(deleted[-MAX_SPECIFICATIONS:])))

    @property
    def readable(self) -> dict[str, PublishedSpecification]:
        """The specifications that can be read, by id."""
        return {key: one for key, one in self.records.items() if isinstance(one, PublishedSpecification)}

    @property
    def unreadable(self) -> dict[str, str]:
        """Why the others cannot be read, by key."""
        return {key: one.sentence for key, one in self.records.items() if isinstance(one, UnreadableRecord)}


class RefusedSpecificationError(Exception):
    """A specification is not written; each message says why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


def plan_apply(
    published: PublishedSpecifications,
    documents: Iterable[Mapping[str, object]],
    authorship: Authorship,
    *,
    above: int = 0,
    check: Callable[[Mapping[str, object]], AppliedSpecification] = check_specification,
) -> tuple[PublishPlan, list[SpecificationRecord]]:
    """Plan writing specifications together; those that are on the topic already as they are here are left out.

    Revisions are greater than `above`.

    Raises:
        RefusedSpecificationError: a document is no specification or too large, two have one id, or there are too many.
    """
    written: dict[str, SpecificationRecord] = {}
    plans: dict[str, bytes | None] = {}
    sentences: list[str] = []
    for number, document in enumerate(documents, start=1):
        try:
            spec_id = check(document).id
        except SpecificationError as error:
            sentences += [f"specification {_name_of(document, number)}: {sentence}" for sentence in error.sentences]
            continue
        if spec_id in plans:
            sentences.append(f"specification {spec_id} is there twice: remove one")
            continue
        record = _next_record(published, spec_id, document, authorship, above)
        plans[spec_id] = value = record.model_dump_json().encode()
        if len(value) > MAX_DOCUMENT_BYTES:
            sentences.append(f"specification {spec_id} would take {len(value):,} bytes: {MAX_DOCUMENT_BYTES:,} fit")
        if not _is_same(published.records.get(spec_id), document):
            written[spec_id] = record
    if len({*published.records, *plans}) > MAX_SPECIFICATIONS:
        sentences.append(f"there would be more than {MAX_SPECIFICATIONS:,} specifications: delete unused ones first")
    if sentences:
        raise RefusedSpecificationError(*sentences)
    return (
        PublishPlan(
            records={spec_id: plans[spec_id] for spec_id in written},
            expected_records={spec_id: published.records.get(spec_id) for spec_id in written},
        ),
        [*written.values()],
    )


def plan_delete(published: PublishedSpecifications, spec_id: str) -> PublishPlan:
    """Plan deleting a specification; runs that were routed with it keep what they took.

    Raises:
        RefusedSpecificationError: there is none.
    """
    known = published.records.get(spec_id)
    if known is None:
        raise RefusedSpecificationError(f"no specification {spec_id} is known: see `southbound specs list`")
    return PublishPlan(records={spec_id: None}, expected_records={spec_id: known})


def _next_record(
    published: PublishedSpecifications,
    spec_id: str,
    document: Mapping[str, object],
    authorship: Authorship,
    above: int,
) -> SpecificationRecord:
    known = published.records.get(spec_id)
    last = known.record.revision if isinstance(known, PublishedSpecification) else 0
    return SpecificationRecord(
        id=spec_id,
        revision=max(last + 1, above + 1, int(authorship.at.timestamp() * 1000)),
        author=authorship.author,
        comment=authorship.comment,
        changed_at=authorship.at,
        document=dict(document),
    )


def _is_same(known: PublishedSpecification | UnreadableRecord | None, document: Mapping[str, object]) -> bool:
    # As JSON: in Python, true is 1, and a default that changes from one to the other is a change.
    return isinstance(known, PublishedSpecification) and is_equal(known.record.document, dict(document))


def _name_of(document: Mapping[str, object], number: int) -> str:
    named = document.get("id") or document.get("name")
    return named[:80] if isinstance(named, str) else f"number {number}"


def _parse_record(key: str, value: bytes) -> PublishedSpecification | UnreadableRecord:
    try:
        record = SpecificationRecord.model_validate_json(value)
        applied = read_specification(record.document, record.revision)
    except (ValidationError, SpecificationError) as error:
        reason = (
            error.sentences[0]
            if isinstance(error, SpecificationError)
            else error.errors(include_url=False, include_input=False)[0]["msg"]
        )
        return UnreadableRecord(sentence=f"specification {key[:200]} cannot be read: {reason}")
    if applied.id != key or record.id != key:
        return UnreadableRecord(sentence=f"record {key[:200]} contains the specification {applied.id[:200]}")
    return PublishedSpecification(record, applied)
