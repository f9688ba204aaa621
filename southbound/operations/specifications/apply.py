"""Run `southbound specs apply` and `delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from consumers.specifications.published_specifications import plan_apply, plan_delete
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.specifications.specification_file import read_specification_file
from southbound.operations.specifications.topic import query_specifications, write_if_needed
from southbound.operations.tables.lookup import make_authorship

if TYPE_CHECKING:
    from southbound.operations.specifications.topic import KafkaSpecificationTopic
    from southbound.settings.settings import Settings


def apply_specifications(settings: Settings, file: str, author: str | None, comment: str, *, as_json: bool) -> int:
    """Run `southbound specs apply`. `file` may be `-` for standard input.

    Raises:
        CommandFailedError: the file has mistakes, Kafka does not answer, or somebody else wrote at the same time.
    """
    documents, authorship = read_specification_file(file), make_authorship(author, comment)

    async def write(topic: KafkaSpecificationTopic) -> list[tuple[str, int, bool]]:
        published = await topic.read()
        plan, written = plan_apply(published, documents, authorship)
        await write_if_needed(topic, plan)
        return [(record.id, record.revision, record.id not in published.records) for record in written]

    changes = query_specifications(settings, write)
    for spec_id, revision, is_new in changes:
        if as_json:
            print_json(to_json({"id": spec_id, "revision": revision, "new": is_new}).decode())
        else:
            print_text(f"{spec_id} is {'added' if is_new else 'changed'} (revision {revision})")
    if unchanged := len(documents) - len(changes):
        print_status(f"{count_noun(unchanged, 'specification')} unchanged: not written")
    if settings.routing.specifications == "none":
        print_status("note: with these settings runs take nothing from them; set routing.specifications: topic")
    return ExitCode.SUCCESS


def delete_specification(settings: Settings, spec_id: str) -> int:
    """Run `southbound specs delete`.

    Raises:
        CommandFailedError: there is no such specification, or Kafka does not answer.
    """

    async def write(topic: KafkaSpecificationTopic) -> None:
        await topic.write(plan_delete(await topic.read(), spec_id))

    query_specifications(settings, write)
    print_text(f"{spec_id} is deleted")
    return ExitCode.SUCCESS
