"""An API key is taken as a password only with the name of its client, and beside no other credentials."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from consumers.northbound.access.api_keys import ApiKeyAuthenticator, KnownKey, digest_of
from consumers.northbound.access.authenticator import AuthenticatedClient, Authenticator, authenticate_by_one
from consumers.northbound.access.basic_credentials import KEY_PRINCIPAL, ExceptBasic, KeyOrPassword
from consumers.northbound.access.refusals import AccessRefusedError
from router.northbound.principal import Principal

KEY, OTHER_KEY = "sbk_" + "k" * 40, "sbk_" + "o" * 40


def a_client(name: str) -> AuthenticatedClient:
    return AuthenticatedClient(principal=Principal(name=KEY_PRINCIPAL + name), credential="key")


KEYS = KeyOrPassword(
    ApiKeyAuthenticator(
        [KnownKey(digest=digest_of(key), client=a_client(name)) for key, name in ((KEY, "desk"), (OTHER_KEY, "other"))],
        "X-API-Key",
    )
)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


async def test_a_key_is_the_password_of_its_client() -> None:
    for headers in (basic("desk", KEY), {"X-API-Key": KEY}):
        assert await KEYS.authenticate(CIMultiDict(headers)) == a_client("desk")
    assert await KEYS.authenticate(CIMultiDict()) is None


@pytest.mark.parametrize(
    "headers",
    [
        basic("other", KEY),
        basic("key:desk", KEY),
        basic("desk", OTHER_KEY),
        basic("desk", ""),
        {"Authorization": "Basic !"},
        {"Authorization": "Basic "},
        {"Authorization": "Basic " + "a" * 5_000},
    ],
)
async def test_other_credentials_are_refused_without_a_challenge_that_a_browser_knows(headers: dict[str, str]) -> None:
    with pytest.raises(AccessRefusedError) as refused:
        await KEYS.authenticate(CIMultiDict(headers))
    assert refused.value.status == 401
    assert "Basic" not in str(refused.value.response().headers.get("WWW-Authenticate"))


async def test_a_key_is_sent_in_one_way() -> None:
    with pytest.raises(AccessRefusedError) as refused:
        await KEYS.authenticate(CIMultiDict(basic("desk", KEY) | {"X-API-Key": KEY}))
    assert refused.value.status == 400


@given(st.text(max_size=50), st.text(max_size=50))
async def test_no_other_user_or_password_is_let_in(user: str, password: str) -> None:
    try:
        headers = basic(user, password)
    except UnicodeEncodeError:
        return
    with pytest.raises(AccessRefusedError):
        await KEYS.authenticate(CIMultiDict(headers))


async def test_tokens_are_left_to_the_issuer() -> None:
    class Tokens:
        challenge = "Bearer"

        async def authenticate(self, headers: object) -> AuthenticatedClient | None:
            del headers
            return a_client("token")

    authenticators: list[Authenticator] = [KEYS, ExceptBasic(Tokens())]
    by_token = await authenticate_by_one(authenticators, CIMultiDict({"Authorization": "Bearer t"}))
    by_password = await authenticate_by_one(authenticators, CIMultiDict(basic("desk", KEY)))
    assert (by_token, by_password) == (a_client("token"), a_client("desk"))
