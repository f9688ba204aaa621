"""The algorithms by which tokens may be signed, with the keys that each needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Asymmetric only: who verifies with a shared secret could also sign with it. Type and curves of the keys are those of
# RFC 7518 and RFC 8037.
KEYS_OF_ALGORITHM: Mapping[str, tuple[str, frozenset[str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", frozenset({None}))),
    "ES256": ("EC", frozenset({"P-256"})),
    "ES384": ("EC", frozenset({"P-384"})),
    "ES512": ("EC", frozenset({"P-521"})),
    "EdDSA": ("OKP", frozenset({"Ed25519", "Ed448"})),
}
ALGORITHMS = tuple(KEYS_OF_ALGORITHM)
CURVES = frozenset[str | None]().union(*(curves for _, curves in KEYS_OF_ALGORITHM.values()))
