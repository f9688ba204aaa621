"""A callback with a signature is accepted only as it was signed."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic import ValidationError

from consumers.inbound.authentication.signature import MAX_SIGNATURES
from consumers.inbound.callback_auth import authenticator_for, headers_for
from consumers.spokes.credentials import CallbackToken, SecretMissingError
from consumers.spokes.security.callback_credentials import CallbackSignature

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.inbound.authentication.port import CallbackAuthenticator

NOW = 1_795_000_000.0
SECRET = "It's a Secret to Everybody"  # noqa: S105 - GitHub's published example
REFERENCE = "env:HMAC"
ENVIRONMENT = {"HMAC": SECRET}


def signature(**fields: Any) -> CallbackSignature:  # noqa: ANN401 - any field
    return CallbackSignature(secret=REFERENCE, **fields)


def check_of(settings: CallbackSignature, environment: dict[str, str] = ENVIRONMENT) -> CallbackAuthenticator:
    return authenticator_for(settings, environment, lambda: NOW)


def accepts(check: CallbackAuthenticator, body: bytes, headers: dict[str, str]) -> bool:
    found = CIMultiDict(headers)
    return check.accepts(found) and check.accepts_body(found, body)


def test_the_example_that_github_publishes_is_accepted() -> None:
    settings = signature(header="X-Hub-Signature-256", prefix="sha256=")
    written = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert accepts(check_of(settings), b"Hello, World!", {"x-hub-signature-256": written})
    assert not accepts(check_of(settings), b"Hello, World?", {"x-hub-signature-256": written})


def test_the_example_that_standard_webhooks_publishes_is_accepted() -> None:
    settings = signature(
        secret_encoding="base64",  # noqa: S106 - how it is written
        header="webhook-signature",
        encoding="base64",
        prefix="v1,",
        timestamp_header="webhook-timestamp",
        signed="{webhook-id}.{webhook-timestamp}.{body}",
    )
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v0,other v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    environment = {"HMAC": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    check = authenticator_for(settings, environment, lambda: 1614265330.0 + 299)
    assert accepts(check, b'{"test": 2432232314}', headers)
    assert not accepts(check, b'{"test": 2432232314}', headers | {"webhook-id": "msg_other"})
    late = authenticator_for(settings, environment, lambda: 1614265330.0 + 301)
    assert not accepts(late, b'{"test": 2432232314}', headers)


@given(
    body=st.binary(max_size=200),
    other=st.binary(max_size=200),
    algorithm=st.sampled_from(["sha256", "sha512"]),
    encoding=st.sampled_from(["hex", "base64"]),
    prefix=st.sampled_from(["", "sha256=", "v1,"]),
    timed=st.booleans(),
)
def test_what_was_signed_is_accepted_and_nothing_else(
    body: bytes,
    other: bytes,
    algorithm: Literal["sha256", "sha512"],
    encoding: Literal["hex", "base64"],
    prefix: str,
    timed: bool,  # noqa: FBT001 - hypothesis passes it
) -> None:
    settings = signature(
        algorithm=algorithm, encoding=encoding, prefix=prefix, timestamp_header="X-Time" if timed else None
    )
    headers = dict(headers_for(settings, ENVIRONMENT, body, lambda: NOW))
    assert accepts(check_of(settings), body, headers)
    assert accepts(check_of(settings), other, headers) == (body == other)
    assert not accepts(check_of(settings, {"HMAC": "another"}), body, headers)


@given(written=st.text(max_size=200))
def test_a_signature_that_cannot_be_read_is_refused(written: str) -> None:
    assert not accepts(check_of(signature()), b"{}", {"X-Signature": written})


def test_a_request_without_a_signature_is_refused_before_its_body_is_read() -> None:
    assert not check_of(signature()).accepts(CIMultiDict())
    assert not check_of(signature()).accepts(CIMultiDict({"x-signature": "not hexadecimal"}))


def test_one_of_several_signatures_is_enough_but_only_a_few_are_compared() -> None:
    right = hmac.digest(SECRET.encode(), b"{}", hashlib.sha256).hex()
    wrong = "00" * 32
    check = check_of(signature())
    assert accepts(check, b"{}", {"x-signature": f"{wrong}, {right}"})
    assert not accepts(check, b"{}", {"x-signature": " ".join([wrong] * MAX_SIGNATURES + [right])})


@pytest.mark.parametrize(
    ("written", "is_accepted"),
    [
        (f"{NOW:.0f}", True),
        (f"{NOW * 1000:.0f}", True),
        ("2026-11-18T11:06:40Z", True),
        ("2026-11-18T11:06:40", False),
        (f"{NOW - 10:.0f}", True),
        (f"{NOW - 11:.0f}", False),
        (f"{NOW + 11:.0f}", False),
        ("", False),
        ("nan", False),
        ("inf", False),
        ("soon", False),
    ],
)
def test_the_time_of_a_signature_has_a_tolerance(written: str, is_accepted: bool) -> None:  # noqa: FBT001 - a case
    settings = signature(timestamp_header="X-Time", tolerance=10)
    signed = hmac.digest(SECRET.encode(), f"{written}.{{}}".encode(), hashlib.sha256)
    assert accepts(check_of(settings), b"{}", {"x-time": written, "x-signature": signed.hex()}) is is_accepted


def test_the_time_is_part_of_what_is_signed() -> None:
    settings = signature(timestamp_header="X-Time")
    headers = dict(headers_for(settings, ENVIRONMENT, b"{}", lambda: NOW - 1_000))
    assert not accepts(check_of(settings), b"{}", headers | {"X-Time": f"{NOW:.0f}"})


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"signed": "{X-Time}"}, "must contain {body} once"),
        ({"signed": "{body}{body}"}, "must contain {body} once"),
        ({"signed": "{body}", "timestamp_header": "X-Time"}, "could change the time"),
        ({"algorithm": "md5"}, "sha256"),
        ({"tolerance": 0}, "greater than 0"),
        ({"secret": "s3cret"}, "never the secret itself"),
    ],
)
def test_a_signature_that_protects_nothing_is_a_mistake(fields: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValidationError, match=mistake.replace("{", r"\{")):
        CallbackSignature(**{"secret": REFERENCE, **fields})


def test_a_secret_that_is_not_encoded_as_the_profile_says_is_named_by_its_reference() -> None:
    with pytest.raises(SecretMissingError, match="env:HMAC is not base64") as raised:
        check_of(signature(secret_encoding="base64"))  # noqa: S106 - how it is written
    assert SECRET not in str(raised.value)


def test_secrets_of_signatures_are_not_printed() -> None:
    assert SECRET not in repr(check_of(signature()))


def test_a_secret_in_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first\n")
    token = CallbackToken(token=f"file:{file}")
    check = authenticator_for(token, {})
    assert check.accepts(CIMultiDict({"x-southbound-token": "first"}))
    file.write_text("the second\n")
    assert check.accepts(CIMultiDict({"x-southbound-token": "the second"}))
    assert not check.accepts(CIMultiDict({"x-southbound-token": "first"}))
    file.unlink()
    assert check.accepts(CIMultiDict({"x-southbound-token": "the second"}))


def test_a_new_secret_that_cannot_be_used_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(b64encode(b"first").decode())
    settings = CallbackSignature(secret=f"file:{file}", secret_encoding="base64")  # noqa: S106 - how it is written
    check = authenticator_for(settings, {}, lambda: NOW)
    headers = dict(headers_for(settings, {}, b"{}", lambda: NOW))
    file.write_text("*** not base64 ***")
    assert accepts(check, b"{}", headers)
    file.write_text(b64encode(b"the second").decode())
    assert not accepts(check, b"{}", headers)
    assert accepts(check, b"{}", dict(headers_for(settings, {}, b"{}", lambda: NOW)))
