"""The facts of one run, each read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_paths import DERIVED_FACTS, SPECIFICATION, FactPath, fact_path
from router.tables.feel.errors import CellError
from router.tables.feel.literals import read_date, read_datetime, read_duration, read_number, read_time
from router.tables.feel.values import canonical
from schemas.run_document import value_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.run_document import Characteristic, RunDocument


class RunFacts:
    """The facts of one run by path; a fact that the run does not have is None.

    Facts are read when a table asks for them and cached, because several tables ask for the same.
    """

    __slots__ = ("_characteristics", "_known", "_of_specification", "_run")

    def __init__(self, run: RunDocument, known: Mapping[str, object] | None = None) -> None:
        self._run = run
        self._known: dict[str, object] = dict(known or ())
        self._characteristics: dict[str, object] | None = None
        self._of_specification: dict[str, object] | None = None

    def value(self, path: str) -> object:
        """Return one fact in canonical form.

        Raises:
            UnknownFactError: no run has such a fact.
        """
        if path not in self._known:  # most are asked for once, and catching an error takes longer than this
            self._known[path] = canonical(self._read(fact_path(path)))
        return self._known[path]

    def _read(self, path: FactPath) -> object:
        if path.text in DERIVED_FACTS:
            return DERIVED_FACTS[path.text][1](self._run)
        if path.characteristic is None:
            return _field(self._run, path)
        if path.of_specification:
            return _nested_value(self._specified(path.characteristic), path.fields)
        return _nested_value(self._characteristic(path.characteristic), path.fields)

    def _characteristic(self, name: str) -> object:
        if self._characteristics is None:
            self._characteristics = _by_name(self._run.characteristic)
        return self._characteristics.get(name)

    def _specified(self, name: str) -> object:
        if self._of_specification is None:
            specification = getattr(self._run, SPECIFICATION, None)  # a part of a document may lack the field
            self._of_specification = _by_name(specification.characteristic if specification else ())
        return self._of_specification.get(name)


def facts_of(document: RunDocument) -> RunFacts:
    """Return the facts of a run; costs nothing until a table asks."""
    return RunFacts(document)


def _field(run: RunDocument, path: FactPath) -> object:
    try:
        return path.getter(run) if path.getter else None
    except AttributeError:
        return _follow(run, path.fields)


def _follow(node: object, fields: tuple[str, ...]) -> object:
    for place, name in enumerate(fields):
        if isinstance(node, tuple):
            return tuple([_follow(item, fields[place:]) for item in node])
        node = getattr(node, name, None)
    return node


def _nested_value(value: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _by_name(characteristics: tuple[Characteristic, ...]) -> dict[str, object]:
    """Return the values of a name/value list by name; a name that occurs several times has the list of its values."""
    values: dict[str, list[object]] = {}
    for characteristic in characteristics:
        values.setdefault(characteristic.name, []).append(_value_of(characteristic))
    return {name: listed[0] if len(listed) == 1 else listed for name, listed in values.items()}


def _value_of(characteristic: Characteristic) -> object:
    """Read the value; text that declares another `value_type` is read as that type."""
    value = value_to_json(characteristic.value)
    if not isinstance(value, str) or characteristic.value_type is None:
        return value
    reader = _READERS.get(characteristic.value_type.lower().replace("-", ""))
    try:
        return reader(value) if reader else value
    except CellError:
        return value


def _read_boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), text)


_READERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("number", "integer", "int", "long", "float", "double", "decimal"), read_number),
    "boolean": _read_boolean,
    "date": read_date,
    "time": read_time,
    "datetime": read_datetime,
    "duration": read_duration,
}
