"""The claims of a token say who calls, for which tenant, with which scopes; anything doubtful is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.tokens.claims import ClaimRules, InvalidClaimsError, claim_at, principal_from
from router.northbound.principal import Principal, Scope
from tests.builders.tokens import AUDIENCE, ISSUER, NOW, claims

RULES = ClaimRules(issuer=ISSUER, audience=AUDIENCE, tenant_claim="tenant", leeway=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "scope", "tenant"])


def refusal(**changes: object) -> str:
    with pytest.raises(InvalidClaimsError) as raised:
        principal_from(claims(**changes), RULES, NOW)
    return str(raised.value)


def test_valid_claims_are_a_principal() -> None:
    assert principal_from(claims(), RULES, NOW) == Principal(
        name="token:order-management", tenant="acme", scopes=frozenset({Scope.READ, Scope.ORDER})
    )


@pytest.mark.parametrize("issuer", [None, "https://id.example.com", ISSUER.upper(), [ISSUER], 1, ""])
def test_a_token_of_another_issuer_is_refused(issuer: object) -> None:
    assert "another issuer" in refusal(iss=issuer)


@pytest.mark.parametrize("audience", [None, "other", [], ["other"], "southbound2", {"southbound": 1}, [["southbound"]]])
def test_a_token_for_another_audience_is_refused(audience: object) -> None:
    assert "another audience" in refusal(aud=audience)


def test_one_of_several_audiences_is_enough() -> None:
    assert principal_from(claims(aud=["other", AUDIENCE]), RULES, NOW).tenant == "acme"


@pytest.mark.parametrize(("exp", "accepted"), [(NOW - 31, False), (NOW - 30, False), (NOW - 29, True), (NOW, True)])
def test_a_token_expires_after_the_leeway(exp: float, accepted: bool) -> None:  # noqa: FBT001
    if accepted:
        assert principal_from(claims(exp=exp), RULES, NOW).tenant == "acme"
    else:
        assert refusal(exp=exp) == "the token is expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused_beyond_the_leeway(claim: str) -> None:
    assert principal_from(claims(**{claim: NOW + 30}), RULES, NOW).tenant == "acme"
    assert refusal(**{claim: NOW + 31}) == "the token is not valid yet"


@pytest.mark.parametrize("exp", [None, "1900000000", True, [], {}, "", math.inf, math.nan])
def test_a_token_that_does_not_say_when_it_expires_is_refused(exp: object) -> None:
    assert refusal(exp=exp)


@pytest.mark.parametrize("tenant", [None, "", " ", "*", 7, ["acme"], "a\nb", "x" * 201, " acme"])
def test_a_token_without_a_tenant_never_sees_all_tenants(tenant: object) -> None:
    assert refusal(tenant=tenant) == "the token does not name its tenant"


@pytest.mark.parametrize("name", [None, "", 3, "a\x00b", "x" * 201])
def test_a_token_without_a_usable_name_is_refused(name: object) -> None:
    assert refusal(sub=name) == "the token does not name its client"


@pytest.mark.parametrize(
    ("written", "scopes"),
    [
        ("southbound.read southbound.cancel", {Scope.READ, Scope.CANCEL}),
        (["southbound.administer", 3, None], {Scope.ADMINISTER}),
        ("southbound.readx SOUTHBOUND.READ read", set()),
        ({"southbound.read": True}, set()),
        (None, set()),
    ],
)
def test_only_known_scopes_count(written: object, scopes: set[Scope]) -> None:
    assert principal_from(claims(scope=written), RULES, NOW).scopes == scopes


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("org.id", "inner"),
        ("https://example.com/tenant", "named"),
        ("a.b", "literal"),
        ("org.none", None),
        ("org.id.deeper", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_by_a_path(path: str, value: object) -> None:
    found = {"org": {"id": "inner"}, "https://example.com/tenant": "named", "a.b": "literal", "a": {"b": "nested"}}
    assert claim_at(found, path) == value


@given(st.dictionaries(NAMES, JSON, max_size=8))
def test_whatever_the_claims_are_they_are_refused_or_fit_the_rules(changes: dict[str, object]) -> None:
    read = {**claims(), **changes}
    try:
        principal = principal_from(read, RULES, NOW)
    except InvalidClaimsError:
        return
    assert read["iss"] == ISSUER
    assert AUDIENCE in read["aud"]
    assert read["exp"] + 30 > NOW
    assert principal.name == f"token:{read['sub']}"
    assert principal.tenant == read["tenant"] not in ("", "*", None)
