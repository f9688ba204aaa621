"""A client certificate in a header counts only from a proxy of the profile."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1, sha256
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from consumers.inbound.callback_auth import authenticator_for, headers_for
from consumers.spokes.security.callback_credentials import CallbackCertificate

SUBJECT = "CN=fibre-lab,O=Lab,C=DE"
DER = b"\x30\x82 the bytes of a certificate"
FINGERPRINT = sha256(DER).hexdigest()
PROXY = "10.1.2.3"


def certificate(**fields: Any) -> CallbackCertificate:  # noqa: ANN401 - any field
    return CallbackCertificate(**{"header": "X-Subject", "proxies": ["10.1.2.0/24"], "subjects": [SUBJECT], **fields})


def accepts(settings: CallbackCertificate, *values: str, peer: str = PROXY) -> bool:
    headers = CIMultiDict([("x-subject", value) for value in values])
    check = authenticator_for(settings, {})
    return check.accepts(headers, peer) and check.accepts_body(headers, b"{}")


def test_the_subject_that_a_proxy_names_is_accepted() -> None:
    assert accepts(certificate(), SUBJECT)
    assert accepts(certificate(), SUBJECT, peer="::ffff:10.1.2.3")
    assert accepts(certificate(proxies=["fd00::/8"]), SUBJECT, peer="fd00::1%eth0")


@pytest.mark.parametrize("peer", ["10.1.3.3", "127.0.0.1", "", "proxy", "fd00::1"])
def test_another_peer_cannot_name_a_subject(peer: str) -> None:
    assert not accepts(certificate(), SUBJECT, peer=peer)


def test_a_header_that_the_client_sent_too_is_refused() -> None:
    assert not accepts(certificate(), SUBJECT, "CN=other")
    assert not accepts(certificate(), SUBJECT, SUBJECT)
    assert not accepts(certificate(), f"{SUBJECT}, CN=other")


@pytest.mark.parametrize("given", ["", "CN=fibre-lab", SUBJECT.lower(), f"{SUBJECT}x", "\udcff", "x" * 10_000])
def test_another_subject_is_refused(given: str) -> None:
    assert not accepts(certificate(), given)
    assert not accepts(certificate())


@pytest.mark.parametrize(
    "given",
    [
        FINGERPRINT,
        FINGERPRINT.upper(),
        ":".join(FINGERPRINT[place : place + 2] for place in range(0, 64, 2)),
        f"sha256={FINGERPRINT}",
        f":{b64encode(DER).decode()}:",
    ],
)
def test_a_fingerprint_is_read_in_every_form(given: str) -> None:
    settings = certificate(subjects=[], fingerprints=[FINGERPRINT.upper()])
    assert accepts(settings, given)
    assert not accepts(certificate(subjects=[], fingerprints=["0" * 64]), given)


def test_the_sha1_of_a_whole_certificate_is_compared_too() -> None:
    digest = sha1(DER, usedforsecurity=False).hexdigest()
    settings = certificate(subjects=[], fingerprints=[digest])
    assert accepts(settings, f":{b64encode(DER).decode()}:")
    assert not accepts(settings, ":not base64:")


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"fingerprints": [FINGERPRINT]}, "either subjects or fingerprints"),
        ({"subjects": []}, "either subjects or fingerprints"),
        ({"proxies": []}, "at least 1"),
        ({"proxies": ["proxy.example"]}, "an address or a network"),
        ({"subjects": [], "fingerprints": ["12ab"]}, "in hexadecimal"),
    ],
)
def test_a_certificate_without_a_name_or_a_proxy_is_a_mistake(fields: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValidationError, match=mistake):
        certificate(**fields)


@pytest.mark.parametrize("names", [{"subjects": [SUBJECT]}, {"subjects": [], "fingerprints": [FINGERPRINT]}])
def test_the_headers_of_a_simulated_proxy_pass_the_check_of_the_profile(names: dict[str, Any]) -> None:
    settings = certificate(**names)
    assert accepts(settings, headers_for(settings, {})["X-Subject"])
