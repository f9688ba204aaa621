"""Limit what a body can cost before it is parsed: the event loop, which serves all systems, parses it."""

from __future__ import annotations

from consumers.spokes.port import NotUnderstoodError

MAX_VALUES = 500_000  # about half a second; a page of 100 runs has some thousand
_UNCOUNTED = 500_000  # bytes, which have no more values


def check_values(body: bytes) -> None:
    """Return if a JSON body has at most 500,000 values. Signs in texts count, too: that is quicker than reading it.

    Raises:
        NotUnderstoodError: it perhaps has more.
    """
    if len(body) > _UNCOUNTED and body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise NotUnderstoodError(f"the body has more than {MAX_VALUES:,} values")
