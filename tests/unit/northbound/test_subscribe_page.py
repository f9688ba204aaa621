"""The example of docs/how-to/subscribe-to-runs.md verifies what the gateway signs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from router.northbound.hub.signature import SigningKey, encode_secret, signature_headers

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "subscribe-to-runs.md"
SECRET = SigningKey("k" * 32).secret_of("S1")


def example() -> dict[str, Any]:
    """Run the example of the page, and return the names that it defines."""
    (found,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(found, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_example_accepts_what_was_signed_and_nothing_else() -> None:
    verify, now = example()["verify"], int(time.time())
    headers = signature_headers((SECRET, b"the old one"), "event", now, b"{}")
    verify(encode_secret(SECRET), headers, b"{}")
    verify(encode_secret(b"the old one"), headers, b"{}")
    with pytest.raises(ValueError, match="wrong"):
        verify(encode_secret(SECRET), headers, b"{ }")
    with pytest.raises(ValueError, match="wrong"):
        verify(encode_secret(b"another"), headers, b"{}")
    with pytest.raises(ValueError, match="too old"):
        verify(encode_secret(SECRET), signature_headers((SECRET,), "event", now - 301, b"{}"), b"{}")
