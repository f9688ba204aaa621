"""Read of an Avro value only the fields that somebody wants, and step over the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.avro_project import named_types
from schemas.avro_read import array_of, read_of, to_the_end
from schemas.avro_read_scalars import read_string
from schemas.avro_skip import skip_all, skip_of
from schemas.avro_types import may_be_null, short_name

if TYPE_CHECKING:
    from schemas.avro_read import Named
    from schemas.avro_read_scalars import Read
    from schemas.avro_skip import Skip, Skips
    from schemas.codec.avro_schemas import AvroSchema, Plain


@dataclass(frozen=True, slots=True)
class ItemsNamed:
    """Of a list of records, those with one of these names; without spaces around it, as models read a text."""

    names: frozenset[str]


# The fields of a record, and of each what is wanted: some of its own fields, some of its items, or None: all of it.
Wanted = Mapping[str, "Wanted | ItemsNamed | None"]


def picker_of(schema: AvroSchema, wanted: Wanted) -> Callable[[bytes, int], Plain]:
    """Make the function that reads the wanted fields of one record, from a place to the very end of the bytes.

    A wanted field that is null or an empty list may be left out, because that is its default in all our schemas.
    """
    return to_the_end(_Picker(schema).record(schema, wanted))


class _Picker:
    """Knows how to read and how to step over every type that a schema names."""

    def __init__(self, schema: AvroSchema) -> None:
        self._types = {short_name(name): kind for name, kind in named_types(schema).items()}
        self._readers: Named = {}
        self._skips: Skips = {}
        read_of(schema, self._readers)
        skip_of(schema, self._skips)

    def record(self, schema: AvroSchema, wanted: Wanted) -> Read:
        steps, skip_rest = self._steps(schema, wanted)

        def read(data: bytes, at: int) -> tuple[dict[str, Plain], int]:
            values: dict[str, Plain] = {}
            for skip_before, left_out_by_zero, name, read_field in steps:
                if skip_before is not None:
                    at = skip_before(data, at)
                if left_out_by_zero and not data[at]:
                    at += 1
                else:
                    values[name], at = read_field(data, at)
            return values, skip_rest(data, at)

        return read

    def _steps(self, schema: AvroSchema, wanted: Wanted) -> tuple[list[tuple[Skip | None, bool, str, Read]], Skip]:
        """Say for each wanted field how to step over those before it, and how to read it; second, over the rest."""
        steps: list[tuple[Skip | None, bool, str, Read]] = []
        passed: list[AvroSchema] = []
        for name, kind in ((field["name"], field["type"]) for field in schema["fields"]):
            if name in wanted:
                skip = skip_all(passed, self._skips) if passed else None
                may_be_left_out = may_be_null(kind) or _is_list(kind)
                steps.append((skip, may_be_left_out, name, self._read(kind, wanted[name])))
                passed = []
            else:
                passed.append(kind)
        return steps, skip_all(passed, self._skips)

    def _read(self, kind: AvroSchema, wanted: Wanted | ItemsNamed | None) -> Read:
        record = self._record_in(kind)
        if wanted is None or record is None:
            return read_of(kind, self._readers)
        if isinstance(wanted, ItemsNamed):
            return self._items_named(kind, record, wanted.names)
        read = self.record(record, wanted)
        return read if record is self._resolved(kind) else array_of(read)

    def _record_in(self, kind: AvroSchema) -> AvroSchema | None:
        """Return the record that a type is, or a list of."""
        resolved = self._resolved(kind)
        if isinstance(resolved, dict) and resolved["type"] == "array":
            resolved = self._resolved(resolved["items"])
        return resolved if isinstance(resolved, dict) and resolved["type"] == "record" else None

    def _resolved(self, kind: AvroSchema) -> AvroSchema:
        return self._types.get(short_name(kind), kind) if isinstance(kind, str) else kind

    def _items_named(self, kind: AvroSchema, record: AvroSchema, names: frozenset[str]) -> Read:
        first, *others = record["fields"]
        if first != {**first, "name": "name", "type": "string"}:
            return read_of(kind, self._readers)
        read_rest = self.record({**record, "fields": others}, dict.fromkeys(field["name"] for field in others))
        skip_rest = skip_of({**record, "fields": others}, dict(self._skips))

        def read(data: bytes, at: int) -> tuple[dict[str, Plain] | None, int]:
            name, at = read_string(data, at)
            if name.strip() not in names:
                return None, skip_rest(data, at)
            values, at = read_rest(data, at)
            return {"name": name, **values}, at

        return _present(array_of(read))


def _present(read_items: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[list[Plain], int]:
        items, at = read_items(data, at)
        return [item for item in items if item is not None], at

    return read


def _is_list(kind: AvroSchema) -> bool:
    return isinstance(kind, dict) and kind["type"] == "array"
