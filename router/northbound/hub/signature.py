"""Sign deliveries as Standard Webhooks does, so that subscribers can verify them with an existing library.

Source: Standard Webhooks 1.0.0, "Signature scheme": HMAC-SHA256 over `<id>.<timestamp>.<body>`.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The gateway's key, from which the secret of each subscription is derived: the run store has none of them."""

    key: str = field(repr=False)

    def secret_of(self, subscription_id: str) -> bytes:
        """Return the secret that one subscriber shares with the gateway."""
        return hmac.digest(self.key.encode(), f"southbound-hub:{subscription_id}".encode(), sha256)


def encode_secret(secret: bytes) -> str:
    """Encode a secret in the form of Standard Webhooks (`whsec_` and base64)."""
    return _PREFIX + b64encode(secret).decode()


def signature_headers(secrets: tuple[bytes, ...], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery; `timestamp` in seconds since 1970, at which this attempt is made.

    There is one signature for each secret, so that a subscriber accepts the old or the new one while keys change.
    """
    signed = b".".join((event_id.encode(), str(timestamp).encode(), body))
    signatures = [f"v1,{b64encode(hmac.digest(secret, signed, sha256)).decode()}" for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
