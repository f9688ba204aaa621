"""Keep the last record of every key of a compacted topic."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


def with_later_records(
    known: Mapping[str, T], records: Iterable[tuple[bytes | None, bytes | None]], parse: Callable[[str, bytes], T]
) -> Mapping[str, T]:
    """Return what is known after more records, in the order of the topic; a record without a value deletes its key."""
    latest = dict(known)
    for raw, value in records:
        key = (raw or b"").decode("utf-8", "backslashreplace")
        if value is None:
            latest.pop(key, None)
        else:
            latest[key] = parse(key, value)
    return MappingProxyType(latest)
