"""How callbacks prove that they come from the system: a profile names one of these kinds."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from consumers.spokes.credentials import BasicAuth, CallbackToken, HeaderName, NoAuth, ProfileModel, SecretReference

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9!#$%&'*+.^_`|~-]+)\}")
BODY = "body"  # the placeholder that is not the name of a header
_FINGERPRINT_LENGTHS = frozenset({40, 64})  # SHA-1 and SHA-256 in hexadecimal


class CallbackSignature(ProfileModel):
    """Callbacks carry an HMAC (RFC 2104) of their body, made with a secret that both sides know."""

    kind: Literal["hmac"] = "hmac"
    secret: SecretReference
    secret_encoding: Literal["text", "base64", "hex"] = "text"  # noqa: S105 - how it is written
    header: HeaderName = "X-Signature"
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=50, pattern=r"^[!-~]*$")
    timestamp_header: HeaderName | None = None
    tolerance: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 300.0
    signed: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _check_signed_text(self) -> Self:
        names = [name.lower() for name in PLACEHOLDER.findall(self.signed_text)]
        if names.count(BODY) != 1:
            raise ValueError("signed must contain {body} once")
        if self.timestamp_header is not None and self.timestamp_header.lower() not in names:
            raise ValueError(f"signed must contain {{{self.timestamp_header}}}, or anybody could change the time")
        return self

    @property
    def signed_text(self) -> str:
        """The text that is signed, with the names of headers and `body` in braces."""
        if self.signed is not None:
            return self.signed
        return f"{{{self.timestamp_header}}}.{{{BODY}}}" if self.timestamp_header else f"{{{BODY}}}"


def _check_network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError("must be an address or a network, such as 10.1.2.3 or 10.1.2.0/24") from None


def _check_fingerprint(text: str) -> str:
    digits = text.replace(":", "").lower()
    if len(digits) not in _FINGERPRINT_LENGTHS or not re.fullmatch(r"[0-9a-f]+", digits):
        raise ValueError("must be the SHA-256 or SHA-1 of a certificate in hexadecimal")
    return digits


class CallbackCertificate(ProfileModel):
    """A trusted proxy checks the client certificate of a callback, and names it in a header."""

    kind: Literal["client_certificate"] = "client_certificate"
    header: HeaderName = "X-Client-Certificate"
    proxies: tuple[Annotated[str, AfterValidator(_check_network)], ...] = Field(min_length=1, max_length=50)
    subjects: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = Field(default=(), max_length=50)
    fingerprints: tuple[Annotated[str, AfterValidator(_check_fingerprint)], ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _check_one_kind_of_name(self) -> Self:
        if bool(self.subjects) == bool(self.fingerprints):
            raise ValueError("needs either subjects or fingerprints, as the proxy writes them")
        return self


CallbackAuth = Annotated[
    NoAuth | BasicAuth | CallbackToken | CallbackSignature | CallbackCertificate, Field(discriminator="kind")
]
