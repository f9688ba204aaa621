"""Read the records of a source: the id and the moment of an event, and the JSON in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, TypeGuard
from zoneinfo import ZoneInfo

from router.northbound.errors import ApiRefusedError
from router.northbound.json_limits import check_json
from router.runs.ids import derive_event_id
from schemas.codec.registered_avro import names_registered_schema
from schemas.text.json_body import read_json_body
from schemas.text.json_pointer import unescape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.northbound.streams.profile import StreamSource
    from consumers.runtime.handler import Record

SOURCE_HEADER = "southbound-stream-source"  # of a redriven record: the name of its source
TIMESTAMP_HEADER = "southbound-stream-timestamp"  # of a redriven record: when it was produced, in milliseconds
_OUR_TYPES = "southbound."
_MAX_ID_LENGTH = 255
_MAX_MILLISECONDS = 253_402_300_799_000  # the year 9999


class RecordUnreadableError(Exception):
    """A record is not what the profile of its source says; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """A record of a source, read as its profile says."""

    source: StreamSource
    record: Record
    decoded: object = None  # the value, if it was Avro

    @property
    def is_avro(self) -> bool:
        """Whether the value is Avro of a schema registry."""
        return self.record.value is not None and names_registered_schema(self.record.value)

    @property
    def is_event_of_ours(self) -> bool:
        """Whether the record says that it is an event of Southbound."""
        return (self.header("ce_type") or "").startswith(_OUR_TYPES)

    @property
    def produced_ms(self) -> int:
        """When the record was produced, in milliseconds since 1970."""
        original = self.header(TIMESTAMP_HEADER) or ""
        return (
            int(original)
            if original.isdecimal() and len(original) <= len(str(_MAX_MILLISECONDS))
            else (self.record.timestamp_ms)
        )

    @property
    def event_id(self) -> str:
        """The id of the event: that of its producer, else one that follows from its content and its time."""
        named = self.header("ce_id") or ""
        if not named or len(named) > _MAX_ID_LENGTH:
            content = sha256(self.record.value or b"").hexdigest()
            named = f"{(self.record.key or b'').hex()[:_MAX_ID_LENGTH]}:{self.produced_ms}:{content}"
        return derive_event_id(named, f"stream:{self.source.name}")

    def header(self, name: str) -> str | None:
        """Return the last header with this name, as text."""
        found = next((value for key, value in reversed(self.record.headers) if key.lower() == name.lower()), None)
        return None if found is None else found.decode(errors="replace").strip()

    def json(self) -> object:
        """Return the value.

        Raises:
            RecordUnreadableError: it is no JSON and was not decoded, or is nested too deeply.
        """
        if self.record.value is None:
            raise RecordUnreadableError("it has no value")
        if self.decoded is not None:
            return self.decoded
        if self.is_avro:
            raise RecordUnreadableError("its value is Avro of a schema registry, and kafka.registry is not set: set it")
        try:
            value = read_json_body(self.record.value, self.header("content-type"))
            check_json(value)
        except ApiRefusedError as error:
            raise RecordUnreadableError(str(error)) from None
        except ValueError as error:
            raise RecordUnreadableError(f"its value is not JSON ({error})") from None
        return value

    def moment(self, value: object) -> datetime | None:
        """Return when the event happened; None if the order of the topic is that of its events.

        Raises:
            RecordUnreadableError: the moment is not where the profile says.
        """
        if self.source.time is not None:
            return self._named_moment(self.source.time, value)
        return _from_milliseconds(self.produced_ms) if len(self.source.bootstrap) > 1 else None

    def _named_moment(self, where: str, value: object) -> datetime:
        is_header = where.startswith("header:")
        found = self.header(where.removeprefix("header:")) if is_header else value_at(value, where)
        moment = _read_moment(found, ZoneInfo(self.source.time_zone))
        if moment is None:
            raise RecordUnreadableError(f"it has no moment at {where}, where the profile of the source says it is")
        return moment


def value_at(value: object, pointer: str) -> object:
    """Return what a JSON pointer (RFC 6901) names; None if there is nothing."""
    for part in pointer.split("/")[1:]:
        name = unescape(part)
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and len(name) <= len(str(len(value))):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def object_at(value: object, pointer: str) -> Mapping[str, object]:
    """Return the object that a JSON pointer names.

    Raises:
        RecordUnreadableError: there is none.
    """
    found = value_at(value, pointer)
    if not isinstance(found, dict):
        raise RecordUnreadableError(f"it has no JSON object at {pointer or 'its top'}")
    return found


def id_at(value: object, pointer: str) -> str:
    """Return the id that a JSON pointer names: a text, or the `value` of a reference field.

    Raises:
        RecordUnreadableError: there is none.
    """
    found = value_at(value, pointer)
    if isinstance(found, dict):
        found = found.get("value")
    if not _is_id(found):
        raise RecordUnreadableError(f"it has no id of a run at {pointer or 'its top'}")
    return found.strip()


def own_id_of(body: Mapping[str, object]) -> str | None:
    """Return the id that a `ServiceTest` has in its system: `id`, or the first external identifier; None without one.

    What is no id is left to the reader of the body, which refuses it with its place.
    """
    own = body.get("id")
    if own is None:
        own = value_at(body.get("externalIdentifier"), "/0/id")
    return own.strip() if _is_id(own) else None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _MAX_ID_LENGTH and "\x00" not in value


def _read_moment(found: object, zone: ZoneInfo) -> datetime | None:
    if isinstance(found, str) and found.isascii() and found.isdecimal():
        found = int(found) if len(found) <= len(str(_MAX_MILLISECONDS)) else None
    if isinstance(found, int) and not isinstance(found, bool):
        return _from_milliseconds(found) if 0 < found <= _MAX_MILLISECONDS else None
    if not isinstance(found, str):
        return None
    try:
        moment = datetime.fromisoformat(found)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(0, milliseconds), _MAX_MILLISECONDS) / 1000, UTC)
