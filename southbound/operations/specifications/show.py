"""Run `southbound specs list` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from pydantic_core import to_json
from rich.table import Table

from consumers.table_topic.published_tables import UnreadableRecord
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_content, print_json, print_result, print_status
from southbound.operations.specifications.topic import read_specifications

if TYPE_CHECKING:
    from consumers.specifications.published_specifications import PublishedSpecification
    from southbound.settings.settings import Settings


def list_specifications(settings: Settings, *, as_json: bool) -> int:
    """Run `southbound specs list`.

    Raises:
        CommandFailedError: Kafka does not answer.
    """
    published = read_specifications(settings)
    rows = [_row(published.readable[spec_id]) for spec_id in sorted(published.readable)]
    if as_json:
        for row in rows:
            print_json(to_json(row).decode())
    else:
        overview = Table("id", "name", "version", "status", "measures", "since", "by", box=None, pad_edge=False)
        for row in rows:
            cells = {**row, "changed_at": f"{row['changed_at']:%Y-%m-%d %H:%M:%S}Z"}
            overview.add_row(*["" if cell is None else str(cell) for cell in cells.values()])
        print_result(overview)
    for sentence in published.unreadable.values():
        print_status(f"warning: {sentence}")
    for spec_id, known in sorted(published.readable.items()):
        _warn_of_mistake(spec_id, known)
    return ExitCode.SUCCESS


def show_specification(settings: Settings, spec_id: str, *, as_json: bool) -> int:
    """Run `southbound specs show`.

    Raises:
        CommandFailedError: Kafka does not answer, or there is no such specification.
    """
    known = read_specifications(settings).records.get(spec_id)
    if known is None:
        raise invalid_input([f"no specification {spec_id} is known: see `southbound specs list`"])
    if isinstance(known, UnreadableRecord):
        raise invalid_input([f"{known.sentence}: apply it again"])
    record = known.record
    _warn_of_mistake(spec_id, known)
    if as_json:
        print_json(record.model_dump_json())
        return ExitCode.SUCCESS
    comment = f": {record.comment}" if record.comment else ""
    print_status(f"{spec_id}, revision {record.revision}, by {record.author}{comment}")
    print_content(orjson.dumps(record.document, option=orjson.OPT_INDENT_2).decode() + "\n")
    return ExitCode.SUCCESS


def _warn_of_mistake(spec_id: str, known: PublishedSpecification) -> None:
    if (mistake := known.mistake) is not None:
        print_status(
            f"warning: specification {spec_id} is used as far as it can be read, and would be refused now: {mistake}: "
            "mend it and apply it again"
        )


def _row(known: PublishedSpecification) -> dict[str, object]:
    record, applied = known
    return {
        "id": record.id,
        "name": applied.name,
        "version": applied.version,
        "status": applied.lifecycle_status,
        "measures": len(applied.test_measure),
        "changed_at": record.changed_at,
        "author": record.author,
    }
