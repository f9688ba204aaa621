"""Any bytes decode to a message or raise an error of one sentence, with bounded memory and without a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import CATALOGUE
from schemas.codec.avro import AvroReader
from schemas.codec.avro_decode import DEEPEST, reader_of
from schemas.codec.avro_schemas import load_schema
from schemas.codec.codec import Codec
from schemas.codec.errors import InvalidEventError, UndecodableError, UnreadableBytesError
from schemas.codec.schema_registry import RegistryIds
from schemas.counts import count_noun
from tests.generators.hostile_avro import GOLDEN, NUMBERS, PREFIX, damaged, zigzag

CODEC, AVRO = Codec(), AvroReader()
ROOT = Path(__file__).parents[3]


def refusal(value: bytes) -> str | None:
    """Return the sentence that refuses a value, or None if the value is a message."""
    try:
        CODEC.decode(value)
    except (UnreadableBytesError, InvalidEventError) as error:
        return error.sentence
    return None


def parts(value: object) -> int:
    """Return the number of values in a value, including itself."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(parts(part) for part in inside)


@settings(max_examples=1_500, deadline=None)
@given(damaged())
def test_damaged_golden_bytes_are_a_message_or_a_sentence(value: bytes) -> None:
    sentence = refusal(value)
    assert sentence is None or (sentence.endswith(".") and len(sentence) < 400)


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_decoded_value_has_no_more_parts_than_bytes(value: bytes) -> None:
    try:
        known = AVRO.read(value)
    except UndecodableError:
        return
    assert known is not None
    assert parts(known[1]) <= DEEPEST * len(value)


@pytest.mark.parametrize("value", GOLDEN)
def test_a_truncated_golden_value_is_refused(value: bytes) -> None:
    for size in range(PREFIX, len(value)):
        with pytest.raises(UnreadableBytesError, match="but it is damaged: it ends early"):
            CODEC.decode(value[:size])


@pytest.mark.parametrize("value", GOLDEN)
def test_bytes_after_a_golden_value_are_refused(value: bytes) -> None:
    for more in (b"\x00", value, *NUMBERS):
        with pytest.raises(UnreadableBytesError, match=f"{count_noun(len(more), 'byte is', 'bytes are')} left over"):
            CODEC.decode(value + more)


def test_thousands_of_hostile_values_are_decoded_with_limited_memory_and_time() -> None:
    """A separate process decodes them: a crash, too much memory or an endless loop would end the tests."""
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
@settings(max_examples=100, deadline=None)
@given(raw=st.lists(st.binary(max_size=4) | st.sampled_from([*NUMBERS, zigzag(3), zigzag(2**62)])).map(b"".join))
def test_a_dropped_field_is_checked_like_the_others(name: str, raw: bytes) -> None:
    """Fastavro skips fields that the reader's schema lacks without checking where the bytes end."""
    try:
        known = with_extra(TYPES[name]).read(BEFORE_EXTRA + raw)
    except UnreadableBytesError:
        return
    assert known == (CANCELLED, {"run_id": "a", "root_run_id": "a", "reason": None})
    extra = reader_of({**ONE_FIELD, "fields": [{"name": "extra", "type": TYPES[name]}]})(raw, 0)
    assert parts(extra) <= 2 + 2 * len(raw)


@pytest.mark.parametrize(
    ("kind", "raw"), [("double", b"\x00" * 8), ("boolean", b"\x01"), ("string", b"\x06abc"), ("long", b"\x80\x01")]
)
def test_a_truncated_dropped_field_is_refused(kind: str, raw: bytes) -> None:
    reader = with_extra(kind)
    assert reader.read(BEFORE_EXTRA + raw)
    with pytest.raises(UnreadableBytesError, match="ends early"):
        reader.read(BEFORE_EXTRA + raw[:-1])


CANCELLED = CATALOGUE[2]
BEFORE_EXTRA = b"\x00\x00\x00\x00\x09" + b"\x02a\x02a\x00"


def with_extra(kind: object) -> AvroReader:
    """Return a reader with a schema 9: RunCancelled with one more field, which the reader drops."""
    schema = load_schema(CANCELLED, 1)
    schema["fields"].append({"name": "extra", "type": kind})
    return AvroReader(RegistryIds(write_ids={}, read_schemas={9: (CANCELLED, schema)}))
