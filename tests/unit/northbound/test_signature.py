"""Only a key of the issuer, used with the algorithm that it is for, makes a token valid."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.tokens.algorithms import ALGORITHMS
from consumers.northbound.tokens.key_set import MAX_KEYS, KeySet, KeySetError, read_key_set
from consumers.northbound.tokens.signature import (
    MAX_TOKEN,
    InvalidSignatureError,
    InvalidTokenFormError,
    SignatureVerifier,
)
from tests.builders.tokens import IssuerKey, claims, issuer_key, key_set, token_of

VERIFIER = SignatureVerifier(ALGORITHMS)
ERRORS = (InvalidSignatureError, InvalidTokenFormError)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "key_ops", "d", "k"])


def verified(token: str, keys: KeySet, verifier: SignatureVerifier = VERIFIER) -> object:
    return verifier.verify(token, verifier.read_head(token), keys)


def keys_of(*keys: IssuerKey | dict[str, Any]) -> KeySet:
    return read_key_set(key_set(*keys))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_each_algorithm_is_verified(algorithm: str) -> None:
    key, other = issuer_key("one", algorithm), issuer_key("other", algorithm)
    assert verified(key.sign(claims()), keys_of(other, key)) == claims()
    with pytest.raises(InvalidSignatureError):
        verified(other.sign(claims(), kid="one"), keys_of(key))


@pytest.mark.parametrize("name", ["none", "NONE", "nOnE", "HS256", "HS512", "", "RS1", None, 7, ["ES256"]])
def test_an_algorithm_that_needs_no_private_key_is_refused(name: object) -> None:
    with pytest.raises(InvalidTokenFormError):
        VERIFIER.read_head(token_of({"alg": name, "kid": "one"}, orjson.dumps(claims()), b""))


def test_a_public_key_is_no_shared_secret() -> None:
    key = issuer_key("one", "RS256")
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = token_of({"alg": "HS256", "kid": "one"}, orjson.dumps(claims())).rpartition(".")[0]
    mac = urlsafe_b64encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    with pytest.raises(InvalidTokenFormError, match="algorithm"):
        verified(f"{signed}.{mac}", keys_of(key))


def test_an_algorithm_that_the_settings_do_not_name_is_refused() -> None:
    key = issuer_key("one", "ES256")
    with pytest.raises(InvalidTokenFormError, match="algorithm"):
        verified(key.sign(claims()), keys_of(key), SignatureVerifier(["RS256"]))


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    key = issuer_key("one", "RS256")
    as_ps256 = IssuerKey("one", "PS256", key.private).sign(claims())
    with pytest.raises(InvalidSignatureError):
        verified(as_ps256, keys_of(key))
    assert verified(as_ps256, keys_of(key.jwk(alg=None))) == claims()


def test_keys_that_a_token_brings_are_not_used() -> None:
    own, attacker = issuer_key("one"), issuer_key("attacker")
    for head in (
        {"kid": "one", "jwk": attacker.jwk()},
        {"kid": "attacker", "jwk": attacker.jwk(), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/"},
        {"kid": "../../../../dev/null"},
        {"kid": "one' OR 1=1 --"},
        {"kid": None},
        {"kid": ""},
    ):
        with pytest.raises(InvalidSignatureError):
            verified(attacker.sign(claims(), **head), keys_of(own))


@pytest.mark.parametrize("kid", [7, ["one"], {"one": 1}, "x" * 201, True])
def test_an_odd_key_id_is_refused(kid: object) -> None:
    with pytest.raises(InvalidTokenFormError):
        VERIFIER.read_head(token_of({"alg": "ES256", "kid": kid}))


def test_a_token_without_key_id_needs_the_only_key_that_fits() -> None:
    key = issuer_key("one")
    token = key.sign(claims(), kid=None)
    assert verified(token, keys_of(key, issuer_key("rsa", "RS256"))) == claims()
    with pytest.raises(InvalidSignatureError):
        verified(token, keys_of(key, issuer_key("two")))


@pytest.mark.parametrize("head", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"b64": False}, {"b64": True}])
def test_extensions_are_refused(head: dict[str, object]) -> None:
    with pytest.raises(InvalidTokenFormError):
        VERIFIER.read_head(token_of({"alg": "ES256", "kid": "one", **head}, b""))


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", 3, ["at+jwt"], ""])
def test_a_token_for_another_purpose_is_refused(kind: object) -> None:
    with pytest.raises(InvalidTokenFormError, match="not an access token"):
        VERIFIER.read_head(token_of({"alg": "ES256", "kid": "one", "typ": kind}))


@pytest.mark.parametrize("kind", [None, "JWT", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_access_tokens_of_every_issuer_are_accepted(kind: str | None) -> None:
    assert verified(issuer_key().sign(claims(), typ=kind), keys_of(issuer_key())) == claims()


def test_a_huge_or_deeply_nested_token_is_refused() -> None:
    for token in (
        "a" * (MAX_TOKEN + 1),
        token_of({"alg": "ES256", "kid": "x" * MAX_TOKEN}),
        token_of(b'{"alg":' + b"[" * 4_000 + b"]" * 1_500 + b"}"),
        token_of(b'{"alg":"ES256","x":' + b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"}", b"[" * 100),
    ):
        with pytest.raises(ERRORS):
            verified(token, keys_of(issuer_key()))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"1", b"null", b'{"exp":NaN}', b'{"exp":Infinity}', b"\xff", b"[" * 2000]
)
def test_signed_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidTokenFormError, match="claims"):
        verified(issuer_key().sign(payload), keys_of(issuer_key()))


@given(st.text(max_size=200) | st.lists(st.text("abcAZ09-_=", max_size=30), min_size=2, max_size=5).map(".".join))
def test_random_text_is_no_token(text: str) -> None:
    with pytest.raises(ERRORS):
        verified(text, keys_of(issuer_key()))


@given(JSON, st.binary(max_size=60), st.binary(max_size=80))
def test_random_headers_are_no_token(head: object, payload: bytes, signature: bytes) -> None:
    with pytest.raises(ERRORS):
        verified(token_of(head, payload, signature), keys_of(issuer_key()))


@given(st.data())
def test_a_token_with_one_changed_character_is_refused(data: st.DataObject) -> None:
    token = issuer_key().sign(claims())
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.=").filter(lambda character: character != token[at]))
    with pytest.raises(ERRORS):
        verified(token[:at] + other + token[at + 1 :], keys_of(issuer_key()))


def test_keys_that_do_not_verify_signatures_are_skipped() -> None:
    key = issuer_key()
    private = orjson.loads(orjson.dumps(key.jwk(d="AAAA")))
    small = IssuerKey("small", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - the claim
    unusable = [
        key.jwk(use="enc"),
        key.jwk(key_ops=["encrypt"]),
        key.jwk(alg="HS256"),
        key.jwk(kty="oct", k="c2VjcmV0"),
        key.jwk(crv="secp256k1"),
        key.jwk(x="AAAA"),
        key.jwk(x=7),
        key.jwk(kid=7),
        private,
        small.jwk(),
    ]
    assert keys_of(*unusable) == KeySet((), skipped=len(unusable))
    assert len(keys_of(*unusable, key).keys) == 1


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"<html>", b"\xff"])
def test_a_document_that_is_no_key_set_is_an_error(document: bytes) -> None:
    with pytest.raises(KeySetError):
        read_key_set(document)


def test_too_many_keys_are_an_error() -> None:
    with pytest.raises(KeySetError, match="more than"):
        read_key_set(orjson.dumps({"keys": [{}] * (MAX_KEYS + 1)}))


@given(st.lists(st.dictionaries(MEMBERS, JSON, max_size=12) | JSON, max_size=4))
def test_random_keys_are_skipped_and_those_beside_them_are_used(entries: list[object]) -> None:
    changed = [{**issuer_key().jwk(), **entry} if isinstance(entry, dict) else entry for entry in entries]
    document = orjson.dumps({"keys": [*changed, issuer_key("beside").jwk()]})
    assert verified(issuer_key("beside").sign(claims()), read_key_set(document)) == claims()
