"""Authenticate callbacks by an HMAC of their body."""

from __future__ import annotations

import binascii
import hmac
import math
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.security.callback_credentials import BODY, PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from multidict import MultiMapping

    from consumers.spokes.security.callback_credentials import CallbackSignature

MAX_SIGNATURES = 5  # in one header: a sender whose secret changes sends one for each
_MAX_HEADER = 4_000  # characters
_IN_MILLISECONDS = 1e11  # seconds since 1970 are below it until the year 5138
_SEPARATORS = re.compile(r"[\s,]+")
_WEBHOOK_SECRET = "whsec_"  # noqa: S105 - before secrets of Standard Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAuthenticator:
    """Accepts requests whose body has the signature that stands in a header."""

    settings: CallbackSignature
    secret: bytes = field(repr=False)
    clock: Callable[[], float]  # seconds since 1970

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:  # noqa: ARG002 - the port passes it
        """Return whether there is a signature, and its time is not too far from now."""
        return any(True for _ in self._given(headers)) and self._is_in_time(headers)

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:
        """Compare in constant time."""
        expected = hmac.digest(self.secret, signed_bytes(self.settings, headers, body), self.settings.algorithm)
        # Every signature is compared, so that the time does not show which of them is right.
        return sum(hmac.compare_digest(given, expected) for given in self._given(headers)) > 0

    def _given(self, headers: MultiMapping[str]) -> Iterator[bytes]:
        """Yield the signatures in the header that can be read."""
        written = headers.get(self.settings.header, "")[:_MAX_HEADER]
        prefix = self.settings.prefix
        # A comma separates signatures unless it is part of the prefix, as in `v1,`.
        texts = written.split() if "," in prefix else _SEPARATORS.split(written.strip())
        for text in texts[:MAX_SIGNATURES]:
            if text.startswith(prefix) and (found := _decoded(text.removeprefix(prefix), self.settings.encoding)):
                yield found

    def _is_in_time(self, headers: MultiMapping[str]) -> bool:
        if self.settings.timestamp_header is None:
            return True
        sent_at = _seconds(headers.get(self.settings.timestamp_header, ""))
        return sent_at is not None and abs(self.clock() - sent_at) <= self.settings.tolerance


def signature_authenticator(
    settings: CallbackSignature, secret: str, clock: Callable[[], float]
) -> SignatureAuthenticator:
    """Return the check that a profile asks for.

    Raises:
        SecretMissingError: the secret is not encoded as the profile says.
    """
    return SignatureAuthenticator(settings=settings, secret=_secret_bytes(settings, secret), clock=clock)


def signature_headers(settings: CallbackSignature, secret: str, now: float, body: bytes) -> Mapping[str, str]:
    """Return the headers with which a callback passes that check, unless other headers are signed too.

    Raises:
        SecretMissingError: the secret is not encoded as the profile says.
    """
    headers = {settings.timestamp_header: str(int(now))} if settings.timestamp_header else {}
    digest = hmac.digest(_secret_bytes(settings, secret), signed_bytes(settings, headers, body), settings.algorithm)
    text = digest.hex() if settings.encoding == "hex" else b64encode(digest).decode()
    return {**headers, settings.header: settings.prefix + text}


def signed_bytes(settings: CallbackSignature, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return what is signed: the text of the profile, with the values of the headers and the body in it."""
    parts = PLACEHOLDER.split(settings.signed_text)
    names = parts[1::2]
    values = [body if name.lower() == BODY else _header_bytes(headers.get(name, "")) for name in names]
    texts = [text.encode() for text in parts[0::2]]
    return b"".join(part for pair in zip(texts, [*values, b""], strict=True) for part in pair)


def _header_bytes(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


def _secret_bytes(settings: CallbackSignature, secret: str) -> bytes:
    if settings.secret_encoding == "text":  # noqa: S105 - how it is written
        return secret.encode()
    found = _decoded(secret.removeprefix(_WEBHOOK_SECRET), settings.secret_encoding)
    if not found:
        raise SecretMissingError(f"the secret at {settings.secret} is not {settings.secret_encoding}: encode it")
    return found


def _decoded(text: str, encoding: str) -> bytes:
    """Return the bytes that a text encodes, or nothing if it does not."""
    try:
        return bytes.fromhex(text) if encoding == "hex" else b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _seconds(text: str) -> float | None:
    """Return a time in seconds since 1970: of a number of seconds or milliseconds, or of a text with its time zone."""
    try:
        number = float(text)
    except ValueError:
        return _seconds_of_moment(text)
    if not math.isfinite(number):
        return None
    return number / 1000 if number > _IN_MILLISECONDS else number


def _seconds_of_moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
