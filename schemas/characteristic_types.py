"""Choose the type of a characteristic by its value: TMF653 v5.0 has a subclass of `Characteristic` for each kind."""

from __future__ import annotations

# The base class has no value: it is used for null, and for a list of several kinds, for which there is no subclass.
UNTYPED = "Characteristic"
_KINDS = (
    (bool, "Boolean"),  # before int, of which it is a kind
    (int, "Integer"),
    (float, "Number"),
    (str, "String"),
    (dict, "Object"),
)
_NUMBERS = {"Integer", "Number"}


def characteristic_type(value: object) -> str:
    """Return the `@type` of a characteristic with this JSON value."""
    kind = _array_kind(value) if isinstance(value, list) else _kind(value)
    return f"{kind}Characteristic" if kind else UNTYPED


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "")


def _array_kind(items: list[object]) -> str:
    kinds = {_kind(item) for item in items} or {"String"}
    if len(kinds) == 1:
        kind = kinds.pop()
        return f"{kind}Array" if kind else ""
    return "NumberArray" if kinds == _NUMBERS else ""
