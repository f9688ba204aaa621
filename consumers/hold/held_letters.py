"""Track which records wait with a dead letter, and which of them may go on."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from consumers.runtime.dead_letters import HEADER_PREFIX, REDRIVE_PREFIX, redrive_count
from schemas.codec.cloudevents import REPLAY_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.dead_letters import RawHeaders
    from consumers.runtime.handler import Record

HOLD_HEADER = f"{HEADER_PREFIX}hold"


class RecordPlace(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRelease:
    """What a person decided about a record that waits: it is dropped, or attempted again where it is.

    `redrives` is the number of the dead letter that it is about: how often the record was redriven before. `marks` are
    headers for the record. `value` and `headers` replace those of the record if a person edited it.
    """

    place: RecordPlace
    redrives: int
    is_dropped: bool
    marks: RawHeaders = ()
    value: bytes | None = None
    headers: RawHeaders | None = None

    def as_json(self) -> dict[str, object]:
        """Return it for the status topic."""
        content: dict[str, object] = {**self.place._asdict(), "redrives": self.redrives, "dropped": self.is_dropped}
        content["marks"] = _write_headers(self.marks)
        if self.headers is not None:
            content["headers"] = _write_headers(self.headers)
            content["value"] = _encode(self.value)
        return content


def read_release(status: bytes | None) -> HeldRelease | None:
    """Return what a record of the status topic says about a held record; None if it says nothing about one."""
    try:
        # What another program wrote there is no release.
        content = cast("Mapping[str, dict[str, object]]", json.loads(status or b"null"))["held"]
        return HeldRelease(
            place=RecordPlace(str(content["topic"]), int(str(content["partition"])), int(str(content["offset"]))),
            redrives=int(str(content["redrives"])),
            is_dropped=bool(content["dropped"]),
            marks=_read_headers(content["marks"]),
            value=_decode(content.get("value")),
            headers=_read_headers(content["headers"]) if "headers" in content else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class HeldLetter:
    """The newest dead letter of a record that waits."""

    redrives: int
    first_time: str = ""


class HeldLetters:
    """The dead letters whose records wait or waited, and what was decided about them."""

    def __init__(self) -> None:
        self._letters: dict[RecordPlace, HeldLetter] = {}
        self._releases: dict[RecordPlace, HeldRelease] = {}

    def note_letter(self, place: RecordPlace, letter: HeldLetter) -> None:
        """Add a dead letter of a record that waits; one that is older than what is known changes nothing."""
        known = self._letters.get(place)
        if known is None or (letter.redrives, letter.first_time) > (known.redrives, known.first_time):
            self._letters[place] = letter  # what this process noted itself has no time

    def note_release(self, release: HeldRelease) -> None:
        """Record what was decided; a decision about an older dead letter of the record changes nothing."""
        known = self._releases.get(release.place)
        if known is None or release.redrives >= known.redrives:
            self._releases[release.place] = release

    def letter_of(self, place: RecordPlace) -> HeldLetter | None:
        """Return the newest dead letter of a record; None if it has none."""
        return self._letters.get(place)

    def release_of(self, place: RecordPlace) -> HeldRelease | None:
        """Return what was decided about the newest dead letter of a record; None if nothing was."""
        letter, release = self._letters.get(place), self._releases.get(place)
        if letter is None or release is None or release.redrives < letter.redrives:
            return None
        return release


def place_of(record: Record) -> RecordPlace:
    """Return where a record is."""
    return RecordPlace(record.partition.topic, record.partition.number, record.offset)


def released_record(record: Record, release: HeldRelease) -> Record:
    """Return the record as it is attempted again: with the marks of its redrive, and edited if a person did."""
    headers = release.headers if release.headers is not None else record.headers
    kept = tuple([one for one in headers if one[0] != REPLAY_HEADER and not one[0].startswith(REDRIVE_PREFIX)])
    value = release.value if release.headers is not None else record.value
    return replace(record, value=value, headers=kept + release.marks)


def held_letter(headers: RawHeaders) -> tuple[RecordPlace, HeldLetter] | None:
    """Return the place and number of a dead letter whose record waits; None for another one."""
    why = {name.removeprefix(HEADER_PREFIX): value or b"" for name, value in headers if name.startswith(HEADER_PREFIX)}
    if not why.get("hold"):
        return None
    try:
        place = RecordPlace(why["topic"].decode(), int(why["partition"]), int(why["offset"]))
        return place, HeldLetter(int(why["redrives"]), why.get("first-time", b"").decode())
    except (KeyError, ValueError):
        return None


def redrives_before(record: Record) -> int:
    """Return how often a record was redriven before it came to its place."""
    return redrive_count(record.headers)


def _write_headers(headers: RawHeaders) -> list[list[str | None]]:
    return [[name, _encode(value)] for name, value in headers]


def _read_headers(written: object) -> RawHeaders:
    return tuple([(str(name), _decode(value)) for name, value in cast("list[tuple[object, object]]", written)])


def _encode(value: bytes | None) -> str | None:
    return b64encode(value).decode() if value is not None else None


def _decode(text: object) -> bytes | None:
    return b64decode(str(text), validate=True) if text is not None else None
