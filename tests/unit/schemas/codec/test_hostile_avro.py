"""Whatever bytes claim to be an event of ours end in a message or in one sentence, never in memory or a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import CATALOGUE, EventType
from schemas.codec.avro import AvroReader
from schemas.codec.avro_decode import DEEPEST, NotAvroError, reader_of
from schemas.codec.avro_schemas import avro_schema
from schemas.codec.codec import Codec
from schemas.codec.errors import InvalidEventError, UndecodableError, UnreadableBytesError
from schemas.codec.schema_registry import RegistryIds
from tests.generators.hostile_avro import GOLDEN, NUMBERS, PREFIX, damaged, zigzag

CODEC, AVRO = Codec(), AvroReader()
ROOT = Path(__file__).parents[3]


def refusal(value: bytes) -> str | None:
    """Return the sentence that refuses a value; None: it is a message after all."""
    try:
        CODEC.decode(value)
    except (UnreadableBytesError, InvalidEventError) as error:
        return error.sentence
    return None


def parts(value: object) -> int:
    """Count the values that a value is made of, itself included."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(parts(part) for part in inside)


@settings(max_examples=1_500, deadline=None)
@given(damaged())
def test_damaged_golden_bytes_are_a_message_or_a_sentence(value: bytes) -> None:
    sentence = refusal(value)
    assert sentence is None or (sentence.endswith(".") and len(sentence) < 400)


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_no_more_is_made_of_bytes_than_there_are_bytes(value: bytes) -> None:
    try:
        known = AVRO.read(value)
    except UndecodableError:
        return
    assert known is not None
    assert parts(known[1]) <= DEEPEST * len(value)


@pytest.mark.parametrize("value", GOLDEN)
def test_a_golden_value_is_refused_wherever_it_ends_early(value: bytes) -> None:
    for size in range(PREFIX, len(value)):
        with pytest.raises(UnreadableBytesError, match="but it is damaged: it ends early"):
            CODEC.decode(value[:size])


@pytest.mark.parametrize("value", GOLDEN)
def test_bytes_after_a_golden_value_are_refused(value: bytes) -> None:
    for more in (b"\x00", value, *NUMBERS):
        with pytest.raises(UnreadableBytesError, match=f"{len(more)} bytes are left over"):
            CODEC.decode(value + more)


def test_hundreds_of_thousands_of_hostile_values_take_little_memory_and_end() -> None:
    """A process of its own reads them, because a crash, too much memory or an endless loop would end this one."""
    command = [sys.executable, "-m", "tests.generators.hostile_avro"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    (name, refused, read), (large, all_refused, none) = (line.split() for line in done.stdout.splitlines())
    assert (name, large, none) == ("handmade", "large", "0")
    assert int(refused) > 10 * int(read) > 0
    assert int(all_refused) > 1_000


ONE_FIELD = {"type": "record", "name": "R", "fields": [{"name": "extra", "type": "boolean"}]}
TYPES: dict[str, Any] = {
    "array": {"type": "array", "items": "boolean"},
    "floats": {"type": "array", "items": "double"},
    "map": {"type": "map", "values": {"type": "array", "items": "string"}},
    "fixed": {"type": "array", "items": {"type": "fixed", "name": "F", "size": 2}},
    "records": {
        "type": "array",
        "items": {"type": "record", "name": "P", "fields": [{"name": "x", "type": "boolean"}]},
    },
    "union": ["null", {"type": "map", "values": "long"}, "bytes"],
}


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=150, deadline=None)
@given(raw=st.lists(st.binary(max_size=4) | st.sampled_from([*NUMBERS, zigzag(3), zigzag(2**62)])).map(b"".join))
def test_a_field_that_is_dropped_is_read_as_carefully_as_the_others(name: str, raw: bytes) -> None:
    """Fastavro steps over the fields that a reader's schema lacks without noticing where the bytes end."""
    entry: EventType = CATALOGUE[2]
    schema = avro_schema(entry, 1)
    schema["fields"].append({"name": "extra", "type": TYPES[name]})
    reader = AvroReader(RegistryIds(writing={}, reading={9: (entry, schema)}))
    start = b"\x00\x00\x00\x00\x09" + b"\x02a\x02a\x00"
    try:
        known = reader.read(start + raw)
    except UnreadableBytesError:
        return
    assert known == (entry, {"run_id": "a", "root_run_id": "a", "reason": None})
    extra = reader_of({"type": "record", "name": "R", "fields": [{"name": "extra", "type": TYPES[name]}]})(raw, 0)
    assert parts(extra) <= 2 + 2 * len(raw)


def test_what_is_dropped_may_not_end_early() -> None:
    read = reader_of({"type": "record", "name": "R", "fields": [{"name": "last", "type": "double"}]})
    with pytest.raises(NotAvroError, match="ends early"):
        read(b"\x00" * 7, 0)
