"""A bearer token is a principal, or a refusal that names the reason and nothing of the token."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from consumers.northbound.access.bearer_tokens import BearerAuthenticator
from consumers.northbound.access.refusals import AccessRefusedError
from consumers.northbound.tokens.claims import ClaimRules
from consumers.northbound.tokens.jwks_cache import JwksCache, KeyAges, KeysNotFetchedError
from consumers.northbound.tokens.signature import SignatureVerifier
from tests.builders.tokens import AUDIENCE, ISSUER, NOW, claims, issuer_key, key_set, token_of


class Issuer:
    """An issuer with an authenticator that trusts it, and a clock for both."""

    def __init__(self) -> None:
        self.now = NOW
        self.document: bytes | None = key_set(issuer_key("one"))
        self.fetches = 0
        self.authenticator = BearerAuthenticator(
            verifier=SignatureVerifier(["ES256"]),
            keys=JwksCache(self, lambda: self.now, KeyAges()),
            rules=ClaimRules(issuer=ISSUER, audience=AUDIENCE, tenant_claim="tenant"),
            clock=lambda: self.now,
        )

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.document is None:
            raise KeysNotFetchedError("it is down")
        return self.document

    async def name_of(self, token: str, scheme: str = "Bearer") -> str:
        headers = CIMultiDict({"authorization": f"{scheme} {token}"})
        client = await self.authenticator.authenticate(headers)
        assert client is not None
        return client.principal.name

    async def refusal(self, token: str, scheme: str = "Bearer") -> AccessRefusedError:
        with pytest.raises(AccessRefusedError) as raised:
            await self.name_of(token, scheme)
        written = str(raised.value) + str(raised.value.headers) + repr(raised.value)
        assert not token or token not in written
        return raised.value


async def test_a_request_without_authorization_has_no_token() -> None:
    assert await Issuer().authenticator.authenticate({"X-API-Key": "other"}) is None


async def test_a_valid_token_is_its_client_in_any_case_of_the_scheme() -> None:
    assert await Issuer().name_of(issuer_key().sign(claims()), "bEARER") == "token:order-management"


@pytest.mark.parametrize("scheme", ["Basic", "Negotiate", "Bearer2", "DPoP"])
async def test_another_scheme_is_refused(scheme: str) -> None:
    refused = await Issuer().refusal(issuer_key().sign(claims()), scheme)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="southbound"')


async def test_a_refusal_says_what_is_wrong_with_the_token() -> None:
    issuer = Issuer()
    for token in (
        "",
        issuer_key().sign(claims(exp=NOW - 60)),
        issuer_key().sign(claims(aud="other")),
        issuer_key("other").sign(claims()),
        token_of({"alg": "none"}),
        "\udcff.\ud800.x",
    ):
        refused = await issuer.refusal(token)
        assert refused.status == 401
        assert 'error="invalid_token", error_description="the ' in refused.headers["WWW-Authenticate"]


async def test_a_token_that_was_accepted_before_expires() -> None:
    issuer = Issuer()
    token = issuer_key().sign(claims(exp=NOW + 100))
    assert await issuer.name_of(token)
    issuer.now += 129
    assert await issuer.name_of(token)
    issuer.now += 1
    assert str(await issuer.refusal(token)) == "the token is expired"


async def test_a_token_that_was_accepted_before_is_refused_once_its_key_is_withdrawn() -> None:
    issuer = Issuer()
    token = issuer_key("one").sign(claims(exp=NOW + 10_000))
    assert await issuer.name_of(token)
    issuer.document = key_set(issuer_key("two"))
    issuer.now += 301
    assert "not signed" in str(await issuer.refusal(token))


async def test_a_token_of_a_new_key_is_accepted_as_soon_as_keys_may_be_fetched() -> None:
    issuer = Issuer()
    await issuer.name_of(issuer_key("one").sign(claims()))
    issuer.document = key_set(issuer_key("one"), issuer_key("two"))
    token = issuer_key("two").sign(claims())
    assert "not signed" in str(await issuer.refusal(token))
    issuer.now += 30
    assert await issuer.name_of(token)
    assert issuer.fetches == 2


async def test_tokens_cannot_be_checked_without_keys() -> None:
    issuer = Issuer()
    issuer.document = None
    refused = await issuer.refusal(issuer_key().sign(claims()))
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "identityUnavailable", "30")


async def test_a_malformed_token_causes_no_fetch() -> None:
    issuer = Issuer()
    await issuer.refusal("a.b.c")
    assert issuer.fetches == 0


async def test_a_bounded_number_of_tokens_is_remembered() -> None:
    issuer = Issuer()
    for number in range(1_005):
        issuer.authenticator._remember(b"%d" % number, issuer)  # type: ignore[arg-type] # what is remembered is opaque
    assert len(issuer.authenticator._verified) == 1_000
