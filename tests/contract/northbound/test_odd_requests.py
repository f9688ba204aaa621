"""What is no good request is answered with a TMF error and one sentence, also if no handler sees it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.northbound_server import BODY_LIMIT, V4, NorthboundServer, a_northbound_server, an_order_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BODY = json.dumps(an_order_body()).encode()
ZIPPED = gzip.compress(BODY)
UNKNOWN = "Content-Encoding that is not decoded"
DAMAGED = "not in the coding that its Content-Encoding names"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[NorthboundServer]:
    """The interface without runs."""
    async with a_northbound_server(tmp_path) as server:
        yield server


async def send_raw(api: NorthboundServer, request: bytes) -> bytes:
    """Send these bytes and return what comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.address.rpartition(":")[2]))
    writer.write(request)
    answer = b""
    with suppress(ConnectionError):  # what it has not read is left
        async with asyncio.timeout(10):
            while piece := await reader.read(4096):
                answer += piece
    writer.close()
    return answer


async def send(api: NorthboundServer, body: bytes, *headers: str, path: str = f"{V4}/serviceTest") -> tuple[int, str]:
    """Send a POST as these bytes; return the status and the sentence of the TMF error, if it is one."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", "Content-Type: application/json", *headers]
    if not any(header.startswith(("Transfer-Encoding", "Content-Length")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    answer = await send_raw(api, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower(), answer
    assert b"\r\nserver:" not in head.lower()
    status, document = int(head.split()[1]), json.loads(content)
    assert status == 201 or (document["@type"], document["status"]) == ("Error", str(status))
    return status, document.get("reason", "")


@pytest.mark.parametrize("path", [f"{V4}/serviceTest", "/nothing"])
@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_a_coding_without_decoder_is_415(api: NorthboundServer, coding: str, path: str) -> None:
    status, sentence = await send(api, b"\x8b\x02\x80", f"Content-Encoding: {coding}", path=path)
    assert (status, UNKNOWN in sentence) == (415, True)


@pytest.mark.parametrize(
    ("headers", "body", "status", "sentence"),
    [
        (["Content-Encoding: gzip"], ZIPPED, 201, ""),
        (["Content-Encoding: GZip"], ZIPPED, 201, ""),
        (["Content-Encoding: deflate"], zlib.compress(BODY), 201, ""),
        (["Content-Encoding: identity"], BODY, 201, ""),
        (["Content-Encoding: UTF-8"], BODY, 201, ""),  # a common mistake, which does no harm
        (["Content-Encoding: gzip, gzip"], gzip.compress(ZIPPED), 415, UNKNOWN),
        (["Content-Encoding: gzip", "Content-Encoding: gzip"], gzip.compress(ZIPPED), 415, UNKNOWN),
        (["Content-Encoding: compress"], b"\x1f\x9d\x90", 415, UNKNOWN),
        (["Content-Encoding: gzip"], b"garbage" * 10, 400, DAMAGED),
        (["Content-Encoding: gzip"], ZIPPED[:40] + b"xx" + ZIPPED[42:], 400, DAMAGED),
        (["Content-Encoding: gzip"], ZIPPED + b"trailing", 400, DAMAGED),
        (["Content-Encoding: deflate"], b"garbage" * 10, 400, DAMAGED),
        (["Content-Encoding: gzip"], gzip.compress(b"a" * 50_000_000), 413, f"larger than {BODY_LIMIT} bytes"),
        (["Transfer-Encoding: chunked"], b"zz\r\n", 400, "not HTTP"),
        (["Transfer-Encoding: chunked"], b'3\r\n{"a\r\nzz\r\n', 400, "not HTTP"),
        (["Transfer-Encoding: gzip"], b"", 400, "not HTTP"),
        (["Content-Length: many"], b"", 400, "not HTTP"),
        (["X-Long: " + "a" * 20_000], BODY, 400, "line of the head of the request is too long"),
        (["Expect: 200-ok"], BODY, 417, "Expect can only be 100-continue"),
    ],
)
async def test_what_no_handler_reads_is_a_tmf_error(
    api: NorthboundServer,
    caplog: pytest.LogCaptureFixture,
    headers: list[str],
    body: bytes,
    status: int,
    sentence: str,
) -> None:
    caplog.set_level(logging.ERROR)
    answered, reason = await send(api, body, *headers)
    assert (answered, sentence in reason) == (status, True), reason
    # Anyone can send it at any rate, before it is known who it is.
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_client_that_waits_for_100_continue_gets_it(api: NorthboundServer) -> None:
    answer = await api.call("POST", f"{V4}/serviceTest", an_order_body(), expect100=True)
    assert answer.status == 201
