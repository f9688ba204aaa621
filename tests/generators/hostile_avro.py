"""Generate invalid Avro values, and decode them all in a process with limited memory and CPU time (`main`)."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from schemas.codec.codec import Codec
from schemas.codec.errors import UndecodableError
from tests.builders.example_events import EVERY_VERSION, golden

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = 10
GOLDEN = [golden(name, version) for name, version in EVERY_VERSION]
MEGABYTE = 2**20
MEMORY, CPU_SECONDS = 256 * MEGABYTE, 120  # on top of what the process uses once everything is imported
EVERY = 13  # bytes between two places of a golden value where something is inserted; all places would take minutes


def zigzag(number: int) -> bytes:
    """Return a number in Avro's encoding."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest >= 0x80:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    return bytes([*out, rest])


# Counts, lengths and indices that exceed the bytes of any value, and numbers without an end.
NUMBERS = [
    *(zigzag(sign * 2**power) for power in (7, 15, 31, 32, 40, 62) for sign in (1, -1)),
    *map(zigzag, (-1, -2, -64, 2**31 - 1, 2**63 - 1, -(2**63))),
    b"\xff" * 9,
    b"\xff" * 30,
    b"\x80" * 12,
]
# A negative count is followed by the size of its block in bytes.
BLOCKS = [zigzag(count) + zigzag(size) for count in (-1, -(2**40), -(2**62)) for size in (-1, 0, 2**62, -(2**63))]


def damaged() -> st.SearchStrategy[bytes]:
    """Draw golden values that are cut, changed, repeated or extended behind their prefix."""
    return st.sampled_from(GOLDEN).flatmap(_damaged)


def _damaged(value: bytes) -> st.SearchStrategy[bytes]:
    places = st.integers(PREFIX, len(value))
    stuffing = st.sampled_from(NUMBERS + BLOCKS) | st.binary(max_size=12) | st.sampled_from(GOLDEN).map(_behind_prefix)
    return st.builds(lambda start, end, more: value[:start] + more + value[end:], places, places, stuffing)


def _behind_prefix(value: bytes) -> bytes:
    return value[PREFIX:]


def handmade() -> Iterator[bytes]:
    """Yield golden values with each hostile number inserted or written over a byte, at many places."""
    for value in GOLDEN:
        for offset in range(PREFIX, len(value), EVERY):
            for number in NUMBERS + BLOCKS:
                yield value[:offset] + number + value[offset:]
                yield value[:offset] + number + value[offset + 1 :]


def large() -> Iterator[bytes]:
    """Yield values of a megabyte that contain as many nested, counted or empty items as possible."""
    for value in GOLDEN:
        for filling in (b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", *NUMBERS[:6]):
            for offset in range(PREFIX, len(value), 5 * EVERY):
                yield value[:offset] + filling * (MEGABYTE // len(filling))


def read_all(values: Iterator[bytes], codec: Codec) -> tuple[int, int]:
    """Return how many values were refused with an error sentence and how many could be decoded."""
    refused = read = 0
    for value in values:
        try:
            codec.decode(value)
        except UndecodableError as error:
            refused += bool(error.sentence)
        else:
            read += 1
    return refused, read


def main() -> None:
    """Decode all values with limits on memory and CPU time. The process ends where a limit is exceeded."""
    codec = Codec()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for name, values in (("handmade", handmade()), ("large", large())):
        refused, read = read_all(values, codec)
        sys.stdout.write(f"{name} {refused} {read}\n")


if __name__ == "__main__":
    main()
