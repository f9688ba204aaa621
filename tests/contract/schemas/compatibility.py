"""Check that every version of a schema can read and write data of every other version (part of `make check`).

It needs the development dependency `avro`, which implements the compatibility rules of the specification.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise, permutations
from pathlib import Path
from typing import TYPE_CHECKING

import avro.compatibility
import avro.errors
import avro.schema

import schemas
from schemas.catalogue import CATALOGUE, NAMESPACE
from schemas.codec.avro_decode import UnsafeSchemaError, refuse_unsafe
from schemas.codec.avro_schemas import named_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.codec.avro_schemas import AvroSchema

    History = Mapping[str, Sequence[AvroSchema]]

AVRO_FILES = Path(schemas.__path__[0]) / "avro"
UNKNOWN = "unknown"


def read_history(folder: Path) -> dict[str, list[AvroSchema]]:
    """Return every subject's versions, oldest first."""
    return {subject.name: _versions(subject) for subject in sorted(folder.iterdir()) if subject.is_dir()}


def _versions(subject: Path) -> list[AvroSchema]:
    count = len(list(subject.iterdir()))
    return [json.loads((subject / f"v{number}.avsc").read_text("utf-8")) for number in range(1, count + 1)]


def violations(history: History) -> list[str]:
    """Return all violations, one sentence each."""
    found = [
        sentence
        for subject, versions in history.items()
        for sentence in (
            *_misnamed(subject, versions[-1]),
            *_unfinished(subject, versions[-1]),
            *_unsafe(subject, versions),
            *_incompatible(subject, versions),
            *_changed(subject, versions),
        )
    ]
    return found + list(_disagreeing(history))


def _misnamed(subject: str, schema: AvroSchema) -> Iterator[str]:
    if f"{schema.get('namespace')}.{schema['name']}" != subject:
        yield f"{subject}: the record must be called like its folder, in the namespace {NAMESPACE}"


def _unfinished(subject: str, schema: AvroSchema) -> Iterator[str]:
    """Yield each record, enum and field without a doc, and each enum and nullable field without a default."""
    for name, named in named_types(schema).items():
        if not named.get("doc"):
            yield f"{subject}: {name} has no doc"
        if named["type"] == "enum" and named.get("default") != UNKNOWN:
            yield f"{subject}: the enum {name} must have the default {UNKNOWN!r}, for symbols to come"
        for field in named.get("fields", ()):
            yield from _unfinished_field(f"{subject}: {name}.{field['name']}", field)


def _unfinished_field(place: str, field: AvroSchema) -> Iterator[str]:
    if not field.get("doc"):
        yield f"{place} has no doc"
    optional = isinstance(field["type"], list) and "null" in field["type"]
    if optional and field.get("default", UNKNOWN) is not None:
        yield f"{place} may be null, so null must be its default"


def _unsafe(subject: str, versions: Sequence[AvroSchema]) -> Iterator[str]:
    """Yield each version that is recursive or has values of zero bytes: the reader refuses these."""
    for number, schema in enumerate(versions, start=1):
        try:
            refuse_unsafe(schema)
        except UnsafeSchemaError as wrong:
            yield f"{subject}: v{number} cannot be read: {wrong}"


def _incompatible(subject: str, versions: Sequence[AvroSchema]) -> Iterator[str]:
    """Yield each pair of versions that breaks FULL_TRANSITIVE: every version must read what every other has written."""
    for (reads, reader), (wrote, writer) in permutations(enumerate(versions, start=1), 2):
        reason = _why_incompatible(reader, writer)
        if reason:
            yield f"{subject}: v{reads} cannot read what v{wrote} writes: {reason}"


def _why_incompatible(reader: AvroSchema, writer: AvroSchema) -> str:
    try:
        checker = avro.compatibility.ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro's own
        result = checker.get_compatibility(avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer)))
    except avro.errors.AvroException as wrong:
        return str(wrong)
    compatible = avro.compatibility.SchemaCompatibilityType.compatible
    return "" if result.compatibility == compatible else "; ".join(sorted(result.messages))


def _changed(subject: str, versions: Sequence[AvroSchema]) -> Iterator[str]:
    for number, (old, new) in enumerate(pairwise(versions), start=2):
        before, after = named_types(old), named_types(new)
        for name in before.keys() - after.keys():
            yield f"{subject}: v{number} no longer has {name}; names are frozen"
        for name in sorted(before.keys() & after.keys()):
            yield from _changed_type(f"{subject}: v{number} {name}", before[name], after[name])


def _changed_type(place: str, old: AvroSchema, new: AvroSchema) -> Iterator[str]:
    if new.get("symbols", [])[: len(old.get("symbols", []))] != old.get("symbols", []):
        yield f"{place} moves or drops symbols; only append"
    before = {field["name"]: field for field in old.get("fields", ())}
    after = {field["name"]: field for field in new.get("fields", ())}
    for name in before.keys() - after.keys():
        yield f"{place}.{name} is gone; names are frozen"
    for name, field in after.items():
        if name not in before and "default" not in field:
            yield f"{place}.{name} is new and has no default"
        if name in before and _logical_types(field["type"]) != _logical_types(before[name]["type"]):
            yield f"{place}.{name} changes its logical type, which changes what old values mean"


def _logical_types(schema: AvroSchema) -> list[str]:
    if isinstance(schema, list):
        return [kind for branch in schema for kind in _logical_types(branch)]
    if not isinstance(schema, dict) or "fields" in schema:
        return []
    own = [schema["logicalType"]] if "logicalType" in schema else []
    return own + _logical_types(schema.get("items")) + _logical_types(schema.get("values"))


def _disagreeing(history: History) -> Iterator[str]:
    """Yield each named type whose newest definitions differ between files."""
    seen: dict[str, tuple[str, AvroSchema]] = {}
    for subject, versions in history.items():
        for name, definition in named_types(versions[-1]).items():
            first, known = seen.setdefault(name, (subject, definition))
            if _spelled_out(known) != _spelled_out(definition):
                yield f"{subject}: {name} differs from the {name} of {first}"


def _spelled_out(definition: AvroSchema) -> AvroSchema:
    """Return a type with its own fields. Types inside it are replaced by their names, wherever they are defined."""
    fields = [{**field, "type": _by_name(field["type"])} for field in definition.get("fields", ())]
    return {**definition, "fields": fields}


def _by_name(schema: AvroSchema) -> AvroSchema:
    if isinstance(schema, list):
        return [_by_name(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "name" in schema:
        return schema["name"]
    return {key: _by_name(value) if key in {"items", "values"} else value for key, value in schema.items()}


def missing(history: History) -> list[str]:
    """Return the differences between the catalogue and the folder."""
    listed = {entry.subject: entry.versions for entry in CATALOGUE}
    found = {subject: len(versions) for subject, versions in history.items()}
    return [
        f"{subject}: the catalogue lists {listed.get(subject, 0)} versions, the folder has {found.get(subject, 0)}"
        for subject in sorted(listed.keys() | found.keys())
        if listed.get(subject) != found.get(subject)
    ]


def main() -> int:
    """Print all problems; the exit code is 1 if there are any."""
    history = read_history(AVRO_FILES)
    wrong = missing(history) + violations(history)
    for sentence in wrong:
        sys.stderr.write(f"{sentence}\n")
    if not wrong:
        sys.stdout.write(f"{len(history)} schemas are compatible over all their versions.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
