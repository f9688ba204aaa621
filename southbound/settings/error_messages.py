"""Messages about wrong settings: what is wrong, where, and what to write instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from southbound.settings.sources import CollectedSettings, KnownSettings

MAX_MESSAGES = 1_000  # nobody reads more of them
Loc = tuple[str | int, ...]

# The value is never repeated: it may be a secret.
_MESSAGES: dict[str, Callable[[dict[str, object]], str]] = {
    "greater_than": lambda c: f"must be more than {c['gt']:g}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']:g}",
    "less_than_equal": lambda c: f"must be at most {c['le']:g}",
    "literal_error": lambda c: f"must be {c['expected']}",
    "string_type": lambda _: "must be text: put it in quotes",
    "path_type": lambda _: "must be the path of a file or folder",
    "model_type": lambda _: "must be a group of settings, one per line, indented",
    "dict_type": lambda _: "must be a group of names and values",
    "invalid_key": lambda _: "must have names that are text: put them in quotes",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), lambda _: "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: "must be true or false"),
}


def error_messages(error: ValidationError, values: CollectedSettings, known: KnownSettings) -> list[str]:
    """Return one message per wrong setting, with its origin."""
    errors = error.errors(include_url=False, include_input=False)[:MAX_MESSAGES]
    return list(dict.fromkeys(_sentences(errors, values, known)))


def _sentences(errors: list[ErrorDetails], values: CollectedSettings, known: KnownSettings) -> Iterator[str]:
    for error in errors:
        loc = error["loc"]
        # For a setting that is a mapping, the entry is named, and not the types that pydantic tried.
        path = loc[:3] if loc[:2] in known.maps else loc[:2]
        yield f"{values.origin(*path)}: {_message(error, path, known)}"


def _message(error: ErrorDetails, loc: Loc, known: KnownSettings) -> str:
    name = ".".join(map(str, loc))
    if error["type"] == "extra_forbidden":
        return f"there is no setting {name}: {_suggestion(loc, known)}"
    if loc[:2] in known.maps and len(loc) > 2:  # noqa: PLR2004 - section, setting, entry
        return f"{name} must be text, a number, true or false"
    describe = _MESSAGES.get(error["type"])
    if describe is None:
        return f"{name} {error['msg'].removeprefix('Value error, ')}"
    return f"{name} {describe(error.get('ctx', {}))}"


def _suggestion(loc: Loc, known: KnownSettings) -> str:
    siblings = known.sections.get(str(loc[0]), ()) if len(loc) > 1 else tuple(known.sections)
    matches = get_close_matches(str(loc[-1]), siblings, 1, 0.6)
    prefix = f"{loc[0]}." if len(loc) > 1 else ""
    return f"did you mean {prefix}{matches[0]}?" if matches else f"there are {', '.join(siblings)}"
