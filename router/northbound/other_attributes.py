"""Keep the attributes of entries of a `ServiceTest` that a run document has no field for, by the entry's position.

A position, because the id of a measure may become that of its definition when the run is routed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from schemas.run_document import JsonText, value_to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from schemas.run_document import RunDocument

    Entries = Mapping[str, Mapping[str, object]]

# What is kept of the entries of a list.
OTHER_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "characteristic": ("id", "characteristicRelationship"),
    "testMeasure": ("metricDescription",),
}


def other_attributes_text(found: Mapping[str, Entries]) -> JsonText | None:
    """Return what a document carries of these attributes, by list and position."""
    lists = {name: entries for name, entries in found.items() if entries}
    return JsonText(json_text=orjson.dumps(lists).decode()) if lists else None


def other_attributes_of(document: RunDocument) -> Mapping[str, Entries]:
    """Return them by list and position; what other services wrote otherwise is left out."""
    if document.other_attributes is None:
        return {}
    content = value_to_json(document.other_attributes)
    lists = content.items() if isinstance(content, dict) else ()
    return {name: _entries(entries) for name, entries in lists if isinstance(entries, dict)}


def merged_attributes(known: JsonText | None, read: JsonText | None, changed: Collection[str]) -> JsonText | None:
    """Return what is kept after a change of these lists, whose entries are those that were read."""
    if known is None and read is None:
        return None
    before, after = ({} if text is None else value_to_json(text) for text in (known, read))
    if not isinstance(before, dict) or not isinstance(after, dict):
        return read
    kept = {name: entries for name, entries in before.items() if name not in changed}
    return other_attributes_text(kept | {name: entries for name, entries in after.items() if name in changed})


def _entries(entries: Mapping[str, object]) -> Entries:
    return {place: entry for place, entry in entries.items() if isinstance(entry, dict)}
