"""Read a JSON Web Key Set (RFC 7517), and choose the keys that may verify a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from consumers.northbound.tokens.algorithms import ALGORITHMS, CURVES, KEYS_OF_ALGORITHM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey

MAX_KEYS = 100
MAX_KEY_ID = 200  # characters
_MAX_PER_ID = 4
_RSA_BITS = range(2048, 8193)  # less is not safe, more costs too much per token


class KeySetError(Exception):
    """What the issuer serves is not a key set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """One public key. `algorithm` is the only one for which it may be used, if its issuer says so."""

    key_id: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    public: PublicKey

    def fits(self, algorithm: str) -> bool:
        """Return whether tokens of this algorithm can be verified with the key."""
        kind, curves = KEYS_OF_ALGORITHM[algorithm]
        return self.kind == kind and self.curve in curves and self.algorithm in (None, algorithm)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of an issuer. `skipped` counts those that cannot be used, such as keys for encryption."""

    keys: tuple[VerificationKey, ...] = ()
    skipped: int = 0

    def candidates(self, algorithm: str, key_id: str | None) -> tuple[VerificationKey, ...]:
        """Return the keys that may have signed a token; one without `key_id` needs the only key that fits."""
        fitting = [key for key in self.keys if key.fits(algorithm)]
        if key_id is None:
            return tuple(fitting) if len(fitting) == 1 else ()
        return tuple(key for key in fitting if key.key_id == key_id)[:_MAX_PER_ID]


def read_key_set(document: bytes) -> KeySet:
    """Read the keys that verify signatures; others are skipped (RFC 7517 §5).

    Raises:
        KeySetError: it is no key set, or has too many keys.
    """
    try:
        content = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise KeySetError("it is not JSON") from None
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise KeySetError("it is not a JSON Web Key Set, which has a list of keys")
    if len(entries) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys")
    keys = tuple(_usable(entries))
    return KeySet(keys, skipped=len(entries) - len(keys))


def _usable(entries: list[object]) -> Iterable[VerificationKey]:
    for entry in entries:
        if isinstance(entry, dict) and (key := _read_key(entry)):
            yield key


def _read_key(entry: dict[str, Any]) -> VerificationKey | None:
    texts = [entry.get(name) for name in ("kid", "kty", "crv", "alg")]
    if not all(text is None or (isinstance(text, str) and len(text) <= MAX_KEY_ID) for text in texts):
        return None
    key_id, kind, curve, algorithm = texts
    curve = None if kind == "RSA" else curve
    if kind is None or kind not in _READERS or curve not in CURVES or not _is_for_signatures(entry):
        return None
    if algorithm is not None and algorithm not in ALGORITHMS:
        return None
    try:
        public = _READERS[kind](entry)
    except (InvalidKeyError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None  # what these readers raise for members that are no numbers, or not on the curve
    if isinstance(public, RSAPublicKey) and public.key_size not in _RSA_BITS:
        return None
    return VerificationKey(key_id=key_id, kind=kind, curve=curve, algorithm=algorithm, public=public)


def _is_for_signatures(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    is_public = "d" not in entry  # a private key that is served to everybody proves nothing
    return is_public and entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


_READERS: Mapping[str, Any] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
