"""The method and the path of a request decide which scopes it needs; only reading is ever open."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.access.needed_scopes import scopes_for
from router.northbound.principal import Scope

V4, V5 = "/tmf-api/serviceTestManagement/v4", "/tmf-api/serviceTestManagement/v5"
METHODS = st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"])


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", f"{V4}/serviceTest", {Scope.READ}),
        ("HEAD", f"{V4}/serviceTest/7", {Scope.READ}),
        ("POST", f"{V4}/serviceTest", {Scope.ORDER}),
        ("PATCH", f"{V4}/serviceTest/7", {Scope.ORDER, Scope.CANCEL}),
        ("DELETE", f"{V5}/serviceTest/7", {Scope.CANCEL}),
        ("POST", f"{V5}/cancelServiceTest", {Scope.CANCEL}),
        ("GET", f"{V5}/cancelServiceTest/7", {Scope.READ}),
        ("POST", f"{V4}/serviceTestSpecification", {Scope.ADMINISTER}),
        ("DELETE", f"{V4}/serviceTestSpecification/7", {Scope.ADMINISTER}),
        ("GET", f"{V4}/serviceTestSpecification", {Scope.READ}),
        ("POST", f"{V4}/hub", {Scope.READ}),
        ("BREW", f"{V4}/serviceTest", {Scope.CANCEL}),
    ],
)
def test_each_request_needs_its_scope(method: str, path: str, scopes: set[Scope]) -> None:
    assert scopes_for(make_mocked_request(method, path)) == frozenset(scopes)


@given(METHODS, st.text("abc/.%2", max_size=20) | st.sampled_from(["", "openapi.json", "openapi.json/", "/", "?a=b"]))
def test_nothing_but_reading_the_description_is_open(method: str, path: str) -> None:
    request = make_mocked_request(method, f"/{path}")
    if scopes_for(request) is None:
        assert method in ("GET", "HEAD", "OPTIONS")
        assert request.path in ("/", "/openapi.json")
