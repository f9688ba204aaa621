"""A command that the same process has encoded is not decoded again."""

import pytest

from schemas.codec.codec import MAX_CACHED_BYTES, Codec, DecodedMessageCache
from schemas.codec.errors import InvalidEventError
from schemas.commands import SendRun
from tests.builders.runs import SINGLE, a_document

ROOM = 1_000_000


def a_command() -> SendRun:
    return SendRun(run=a_document(), request_id="RQ1", spoke="fibre-lab", decision=SINGLE)


def test_a_command_that_comes_back_is_the_same_object() -> None:
    codec, command = Codec(cache_bytes=ROOM), a_command()
    assert codec.decode(codec.encode(command)) is command


def test_a_cached_value_equals_a_decoded_one() -> None:
    remembering, command = Codec(cache_bytes=ROOM), a_command()
    value = remembering.encode(command)
    assert remembering.decode(value) == Codec().decode(value)


def test_a_codec_without_a_cache_decodes_the_bytes() -> None:
    codec, command = Codec(), a_command()
    assert codec.decode(codec.encode(command)) is not command


def test_a_header_that_contradicts_a_cached_value_is_still_an_error() -> None:
    codec = Codec(cache_bytes=ROOM)
    value = codec.encode(a_command())
    with pytest.raises(InvalidEventError):
        codec.decode(value, ce_type="southbound.RunRequested")


def test_the_oldest_value_is_evicted_from_a_full_cache() -> None:
    lately, command = DecodedMessageCache(size=10), a_command()
    for value in (b"aaaa", b"bbbb", b"cccc"):
        lately.keep(value, command)
    assert [lately.find(value) for value in (b"aaaa", b"bbbb", b"cccc")] == [None, command, command]


def test_a_value_cached_twice_uses_space_once() -> None:
    lately, command = DecodedMessageCache(size=10), a_command()
    for value in (b"aaaa", *[b"bbbb"] * 5):
        lately.keep(value, command)
    assert lately.find(b"aaaa") is command


def test_a_large_value_evicts_nothing() -> None:
    lately, command = DecodedMessageCache(size=MAX_CACHED_BYTES), a_command()
    lately.keep(b"aaaa", command)
    lately.keep(b"x" * (MAX_CACHED_BYTES + 1), command)
    assert lately.find(b"aaaa") is command
