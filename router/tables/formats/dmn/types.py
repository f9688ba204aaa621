"""Resolve a `typeRef` of a DMN model to a column type, its allowed values and its components."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.formats.dmn.xml import Element

_MAX_DEPTH = 50  # types that are defined by another one

# The type names of DMN 1.1 to 1.5, of XML Schema and of Java, as far as a column type matches them, and what tools
# write for no type. A duration of unknown kind is checked cell by cell instead of by column, and so is a structure.
_NAMES = {
    "string": "string normalizedstring token anyuri",
    "number": (
        "number integer int long short byte double float decimal bigdecimal biginteger unsignedint unsignedlong"
        " unsignedshort unsignedbyte positiveinteger negativeinteger nonnegativeinteger nonpositiveinteger"
    ),
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "datetime": "datetime dateandtime datetimestamp",
    "days-duration": "daytimeduration daysandtimeduration",
    "months-duration": "yearmonthduration yearsandmonthsduration",
    "any": "any <undefined> anytype anysimpletype anyatomictype duration context list collection object function range",
}
_BUILT_IN = {name: column for column, names in _NAMES.items() for name in names.split()}


class UnknownTypeError(ValueError):
    """A `typeRef` names no type of the standard and none of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeelType:
    """The meaning of a type for a column. `allowed` is the text of its allowed values."""

    column: str = "any"
    allowed_values: str = ""
    is_list: bool = False
    components: Mapping[str, Element] = field(default_factory=dict)


class ItemDefinitions:
    """The types that a model defines."""

    def __init__(self, definitions: Element) -> None:
        self._by_name = {item.attribute("name"): item for item in definitions.children_named("itemDefinition")}

    def resolve(self, reference: str) -> FeelType:
        """Return the type that a `typeRef` names; `any` for an empty one.

        Raises:
            UnknownTypeError: it is not defined, or is defined by itself.
        """
        return self._resolve(reference, ())

    def component(self, feel_type: FeelType, path: Sequence[str]) -> FeelType:
        """Return the type at a path into the components of a type; `any` if there is no such component."""
        for name in path:
            if name not in feel_type.components:
                return FeelType()
            feel_type = self._from_definition(feel_type.components[name], ())
        return feel_type

    def _resolve(self, reference: str, seen: tuple[str, ...]) -> FeelType:
        if not reference:
            return FeelType()
        name = next((name for name in _spellings(reference) if name in self._by_name), None)
        if name in seen or len(seen) > _MAX_DEPTH:
            raise UnknownTypeError(f"type '{name}' is defined by itself, or through too many others")
        if name is not None:
            return self._from_definition(self._by_name[name], (*seen, name))
        return FeelType(column=_built_in_type(reference))

    def _from_definition(self, item: Element, seen: tuple[str, ...]) -> FeelType:
        is_list = item.attribute("isCollection") == "true"
        if components := item.children_named("itemComponent"):
            return FeelType(is_list=is_list, components={part.attribute("name"): part for part in components})
        base = self._resolve(item.find_text("typeRef") or item.attribute("typeRef"), seen)
        allowed = item.find_text("allowedValues", "text") or item.find_text("typeConstraint", "text")
        return FeelType(
            column=base.column,
            allowed_values=allowed or base.allowed_values,
            is_list=is_list or base.is_list,
            components=base.components,
        )


def _spellings(reference: str) -> Iterator[str]:
    """Yield a reference as it is, and without its namespace: `feel:string`, `{uri}string`."""
    yield reference
    yield reference.rpartition("}")[2].rpartition(":")[2]


def _built_in_type(reference: str) -> str:
    *_, name = _spellings(reference)
    word = "".join(name.lower().split())
    if word.startswith(("list<", "range<", "context<", "function<")):
        return "any"
    if word not in _BUILT_IN:
        raise UnknownTypeError(f"there is no type '{reference}': the model does not define it")
    return _BUILT_IN[word]
