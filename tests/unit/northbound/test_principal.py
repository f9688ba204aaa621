"""A principal may do what its scopes say, and sees the rows of its tenant."""

from __future__ import annotations

import pytest

from router.northbound.principal import LOCAL_PRINCIPAL, Principal, Scope


@pytest.mark.parametrize(
    ("own", "tenant", "seen"),
    [(None, None, True), (None, "a", True), ("a", "a", True), ("a", "b", False), ("a", None, False)],
)
def test_a_principal_with_a_tenant_sees_only_rows_of_this_tenant(
    own: str | None, tenant: str | None, *, seen: bool
) -> None:
    assert Principal(name="p", tenant=own).sees(tenant) is seen


def test_a_principal_may_do_what_its_scopes_say() -> None:
    reader = Principal(name="p", scopes=frozenset({Scope.READ}))
    assert [scope for scope in Scope if reader.may(scope)] == [Scope.READ]
    assert all(LOCAL_PRINCIPAL.may(scope) for scope in Scope)
