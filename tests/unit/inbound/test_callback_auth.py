"""Only callbacks with the configured secret are authenticated."""

import pytest
from multidict import CIMultiDict

from consumers.inbound.callback_auth import (
    AllowAnyone,
    BasicAuthenticator,
    TokenAuthenticator,
    authenticator_for,
    headers_for,
)
from consumers.spokes.credentials import BasicAuth, CallbackToken, NoAuth, SecretMissingError

SECRET = "s3cret"  # noqa: S105 - a test value
SECRET_REFERENCE = "env:TOKEN"  # noqa: S105 - where it is, not what it is


def headers(**values: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in values.items()})


def test_a_bearer_token_is_accepted_whatever_the_case_of_its_scheme() -> None:
    check = TokenAuthenticator(token=SECRET)
    assert check.accepts(headers(authorization="Bearer s3cret"))
    assert check.accepts(headers(authorization="bearer s3cret"))


@pytest.mark.parametrize(
    "value", ["", "s3cret", "Bearer", "Bearer S3CRET", "Basic s3cret", "Bearer s3cret2", "Bearer ü"]
)
def test_any_other_authorization_header_is_refused(value: str) -> None:
    assert not TokenAuthenticator(token=SECRET).accepts(headers(authorization=value))
    assert not TokenAuthenticator(token=SECRET).accepts(headers())


def test_a_token_in_its_own_header_has_no_scheme() -> None:
    check = TokenAuthenticator(token=SECRET, header="X-Southbound-Token")
    assert check.accepts(headers(x_southbound_token=SECRET))
    assert not check.accepts(headers(x_southbound_token=f"Bearer {SECRET}"))
    assert not check.accepts(headers(authorization="Bearer s3cret"))


def test_user_and_password_must_both_be_right() -> None:
    check = BasicAuthenticator(user="lab", password=SECRET)
    assert check.accepts(headers(authorization="Basic bGFiOnMzY3JldA=="))
    assert not check.accepts(headers(authorization="Basic bGFiOndyb25n"))


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        TokenAuthenticator(token="")
    with pytest.raises(ValueError, match="is empty"):
        BasicAuthenticator(user="lab", password="")


def test_secrets_are_not_printed() -> None:
    assert SECRET not in f"{TokenAuthenticator(token=SECRET)!r} {BasicAuthenticator(user='lab', password=SECRET)!r}"


def test_the_profile_selects_the_authentication() -> None:
    environment = {"TOKEN": SECRET}
    assert authenticator_for(NoAuth(), environment) == AllowAnyone()
    assert authenticator_for(CallbackToken(token=SECRET_REFERENCE), environment).accepts(
        headers(x_southbound_token=SECRET)
    )
    basic = authenticator_for(BasicAuth(username="lab", password=SECRET_REFERENCE), environment)
    assert basic == BasicAuthenticator(user="lab", password=SECRET)


def test_a_missing_secret_is_named_by_its_reference() -> None:
    with pytest.raises(SecretMissingError, match="env:TOKEN"):
        authenticator_for(CallbackToken(token=SECRET_REFERENCE), {})


@pytest.mark.parametrize(
    "auth",
    [
        NoAuth(),
        BasicAuth(username="lab", password=SECRET_REFERENCE),
        CallbackToken(token=SECRET_REFERENCE),
        CallbackToken(token=SECRET_REFERENCE, header="Authorization"),
    ],
)
def test_the_headers_of_a_simulated_system_pass_the_check_of_its_profile(
    auth: NoAuth | BasicAuth | CallbackToken,
) -> None:
    environment = {"TOKEN": SECRET}
    assert authenticator_for(auth, environment).accepts(CIMultiDict(headers_for(auth, environment)))
