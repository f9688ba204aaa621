"""Sentences about values of a wrong kind in a file, in the words of its author and not of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.text.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

_LISTS = ("list_type", "tuple_type", "set_type", "frozen_set_type")
_GROUPS = ("dict_type", "model_type", "model_attributes_type", "dataclass_type")
_MOMENTS = ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid")


def _no_moment(found: Mapping[str, Any]) -> str:
    why = f" ({found['error']})" if "error" in found else ""
    return f"must be a date and time such as 2026-01-31T09:35:43Z{why}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(_LISTS, lambda _: "must be a list, such as [a, b]"),
    **dict.fromkeys(_GROUPS, lambda _: "must be a group of names and values, such as {name: value}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda _: "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: "must be true or false"),
    **dict.fromkeys(_MOMENTS, _no_moment),
    "string_type": lambda _: "must be text: put it in quotes",
    "string_pattern_mismatch": lambda found: f"must have the form {found['pattern']} (a regular expression)",
    "string_too_short": lambda found: f"must have at least {count_noun(found['min_length'], 'character')}",
    "string_too_long": lambda found: f"must have at most {count_noun(found['max_length'], 'character')}",
    "too_short": lambda found: f"must have at least {count_noun(found['min_length'], 'entry', 'entries')}",
    "too_long": lambda found: f"must have at most {count_noun(found['max_length'], 'entry', 'entries')}",
}


def sentence_of(error: ErrorDetails) -> str:
    """Return what is wrong with a value, which is never repeated: it may be a secret in the wrong place."""
    describe = _SENTENCES.get(error["type"])
    if describe is not None:
        return describe(error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
