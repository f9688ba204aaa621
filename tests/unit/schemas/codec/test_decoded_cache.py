"""A command that comes back to the process that wrote it need not be read again."""

import pytest

from schemas.codec.codec import MAX_CACHED_BYTES, Codec, DecodedMessageCache
from schemas.codec.errors import InvalidEventError
from schemas.commands import SendRun
from tests.builders.runs import SINGLE, a_document

ROOM = 1_000_000


def a_command() -> SendRun:
    return SendRun(run=a_document(), request_id="RQ1", spoke="fibre-lab", decision=SINGLE)


def test_a_command_that_comes_back_is_the_very_one_that_was_written() -> None:
    codec, command = Codec(cache_bytes=ROOM), a_command()
    assert codec.decode(codec.encode(command)) is command


def test_what_is_remembered_equals_what_a_reader_without_memory_reads() -> None:
    remembering, command = Codec(cache_bytes=ROOM), a_command()
    value = remembering.encode(command)
    assert remembering.decode(value) == Codec().decode(value)


def test_a_codec_without_room_reads_the_bytes() -> None:
    codec, command = Codec(), a_command()
    assert codec.decode(codec.encode(command)) is not command


def test_a_header_that_contradicts_a_remembered_value_is_still_an_error() -> None:
    codec = Codec(cache_bytes=ROOM)
    value = codec.encode(a_command())
    with pytest.raises(InvalidEventError):
        codec.decode(value, ce_type="southbound.RunRequested")


def test_the_oldest_goes_when_there_is_no_more_room() -> None:
    lately, command = DecodedMessageCache(size=10), a_command()
    for value in (b"aaaa", b"bbbb", b"cccc"):
        lately.keep(value, command)
    assert [lately.find(value) for value in (b"aaaa", b"bbbb", b"cccc")] == [None, command, command]


def test_room_is_not_used_up_by_what_is_kept_twice() -> None:
    lately, command = DecodedMessageCache(size=10), a_command()
    for value in (b"aaaa", *[b"bbbb"] * 5):
        lately.keep(value, command)
    assert lately.find(b"aaaa") is command


def test_a_large_value_pushes_nothing_out() -> None:
    lately, command = DecodedMessageCache(size=MAX_CACHED_BYTES), a_command()
    lately.keep(b"aaaa", command)
    lately.keep(b"x" * (MAX_CACHED_BYTES + 1), command)
    assert lately.find(b"aaaa") is command
