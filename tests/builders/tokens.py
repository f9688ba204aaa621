"""Build key pairs of an issuer, the key sets that it serves, and tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS

NOW = 1_800_000_000.0  # seconds since 1970
ISSUER = "https://id.example.com/"
AUDIENCE = "southbound"
_CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@dataclass(frozen=True)
class IssuerKey:
    """A key pair of an issuer."""

    key_id: str
    algorithm: str
    private: Any

    def jwk(self, **changes: object) -> dict[str, Any]:
        """Return the public key as an issuer serves it; None removes a member."""
        algorithm: Any = RSAAlgorithm
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            algorithm = ECAlgorithm
        elif isinstance(self.private, ed25519.Ed25519PrivateKey):
            algorithm = OKPAlgorithm
        public = json.loads(algorithm.to_jwk(self.private.public_key()))
        public.pop("key_ops", None)
        written = {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig", **changes}
        return {name: value for name, value in written.items() if value is not None}

    def sign(self, claims: object, **head: object) -> str:
        """Return a token; `head` adds to its header, and None removes a member."""
        payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
        header = {"kid": self.key_id, "typ": "at+jwt", **head}
        without = {name: value for name, value in header.items() if value is not None}
        return PyJWS().encode(payload, self.private, algorithm=self.algorithm, headers=without)


def issuer_key(key_id: str = "one", algorithm: str = "ES256") -> IssuerKey:
    """Return a key pair, the same for the same id and algorithm."""
    return _generated(key_id, algorithm)


@cache
def _generated(key_id: str, algorithm: str) -> IssuerKey:
    private: Any
    if algorithm in _CURVES:
        private = ec.generate_private_key(_CURVES[algorithm])
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return IssuerKey(key_id, algorithm, private)


def key_set(*keys: IssuerKey | dict[str, Any]) -> bytes:
    """Return the document of a key set."""
    return orjson.dumps({"keys": [key.jwk() if isinstance(key, IssuerKey) else key for key in keys]})


def claims(**changes: object) -> dict[str, Any]:
    """Return valid claims; None removes one."""
    valid = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "order-management",
        "exp": NOW + 600,
        "iat": NOW,
        "scope": "openid southbound.read southbound.order",
        "tenant": "acme",
    }
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def token_of(head: object, payload: bytes = b"{}", signature: bytes = b"x") -> str:
    """Return a token with any header, which nothing has signed."""
    header = head if isinstance(head, bytes) else orjson.dumps(head)
    return ".".join(_encoded(part) for part in (header, payload, signature))


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()
