"""Write which offsets above a committed one are finished into the metadata of the commit, and read them back.

A crash during an outage then repeats what waits, not everything that came after it. The metadata is text of at most
4,095 characters (`offset.metadata.max.bytes` of the broker, less the NUL of the client).
"""

from __future__ import annotations

import binascii
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_METADATA = 4_095  # characters
VERSION = 1
_OURS = "southbound"
_TOKEN = re.compile(r"(?:^|\s)finished=(\S*)")
_CHECKSUM_BYTES = 4
_CONTINUES = 0x80  # the bit of a byte after which a number goes on
_MAX_VARINT_BYTES = 9  # 63 bits, as an offset
_ROOM_FOR_CHECKSUM = 12  # characters: the version, and at most eight of the checksum


class UnreadableMetadataError(ValueError):
    """The metadata of a commit cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class FinishedOffsets:
    """Offsets above a committed one that are finished: ascending ranges `(first, end)` that do not touch.

    A range may contain offsets that were never delivered: gaps of compaction, and markers of transactions.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @property
    def end(self) -> int:
        """One past the last finished offset; 0 without one."""
        return self.ranges[-1][1] if self.ranges else 0

    def __contains__(self, offset: int) -> bool:
        """Return whether an offset is finished."""
        place = bisect_right(self.ranges, (offset, float("inf"))) - 1
        return place >= 0 and offset < self.ranges[place][1]


NOTHING_FINISHED = FinishedOffsets()


def write_metadata(committed: int, ranges: Iterable[tuple[int, int]], limit: int = MAX_METADATA) -> str:
    """Return the metadata of a commit, in which these ranges above it are finished; without any, only its writer.

    What does not fit in `limit` characters is left out, the highest offsets first: they are processed again after a
    crash, and nothing is lost.
    """
    room = (limit - len(f"{_OURS} finished=") - _ROOM_FOR_CHECKSUM) * 3 // 4
    encoded = _encode(committed, ranges, room)
    if not encoded:
        return _OURS if len(_OURS) <= limit else ""
    checksum = _checksum(committed, encoded)
    return f"{_OURS} finished={VERSION}.{urlsafe_b64encode(encoded + checksum).decode().rstrip('=')}"


def is_unsigned(metadata: str | None) -> bool:
    """Return whether a commit has no metadata: another program wrote it, or a version that wrote none."""
    return not (metadata or "").rstrip("\0")


def read_metadata(metadata: str | None, committed: int) -> FinishedOffsets:
    """Return the finished offsets above a committed one; none if the metadata names none.

    Raises:
        UnreadableMetadataError: somebody else wrote it, a newer version did, or it is damaged.
    """
    metadata = (metadata or "").rstrip("\0")
    found = _TOKEN.search(metadata)
    if found is None:
        if metadata and not metadata.startswith(_OURS):
            raise UnreadableMetadataError("not written by this gateway")
        return NOTHING_FINISHED
    version, _, text = found[1].partition(".")
    if version != str(VERSION):
        raise UnreadableMetadataError(f"of version {version[:20]!r}, which this version cannot read")
    return FinishedOffsets(tuple(_decode(committed, _checked(committed, text))))


def _encode(committed: int, ranges: Iterable[tuple[int, int]], room: int) -> bytes:
    """Return, for each range, its distance from the end of the one before and its length, as LEB128 numbers."""
    encoded = bytearray()
    before = committed
    for first, end in ranges:
        pair = _varint(first - before) + _varint(end - first)
        if len(encoded) + len(pair) > room:
            break
        encoded += pair
        before = end
    return bytes(encoded)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= _CONTINUES:
        encoded.append(number & 0x7F | _CONTINUES)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _checksum(committed: int, encoded: bytes) -> bytes:
    # The committed offset is covered, so that ranges are never used with another one.
    return zlib.crc32(encoded, zlib.crc32(str(committed).encode())).to_bytes(_CHECKSUM_BYTES, "big")


def _checked(committed: int, text: str) -> bytes:
    try:
        decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        decoded = b""
    encoded, checksum = decoded[:-_CHECKSUM_BYTES], decoded[-_CHECKSUM_BYTES:]
    if not encoded or checksum != _checksum(committed, encoded):
        raise UnreadableMetadataError("damaged, or not of this offset")
    return encoded


def _decode(committed: int, encoded: bytes) -> Iterator[tuple[int, int]]:
    numbers = [*_numbers(encoded)]
    if len(numbers) % 2 or 0 in numbers:
        raise UnreadableMetadataError("damaged: ranges are empty, or touch")
    before = committed
    for distance, length in zip(numbers[::2], numbers[1::2], strict=True):
        first = before + distance
        before = first + length
        yield first, before


def _numbers(encoded: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 7 * _MAX_VARINT_BYTES:
            raise UnreadableMetadataError("damaged: a number is too long")
        if byte < _CONTINUES:
            yield number
            number = shift = 0
    if shift:
        raise UnreadableMetadataError("damaged: it ends within a number")
