"""Compute the digest of a profile, by which a person sees whether two attempts were made with the same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from pydantic import BaseModel

_LENGTH = 8  # hexadecimal digits: enough to tell the versions of one profile apart


def digest_of_profile(profile: BaseModel) -> str:
    """Return the digest of the fields that its file sets; a profile has references to secrets, and no secrets.

    Comments, the order of fields and a version of Southbound with more fields do not change it.
    """
    fields = _plain(profile.model_dump(exclude_unset=True))
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:_LENGTH]


def _plain(value: object) -> object:
    """Return a value as JSON that is the same in every process: sets have no order."""
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case frozenset() | set():
            return sorted(map(str, value))
        case list() | tuple():
            return [_plain(each) for each in value]
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)
