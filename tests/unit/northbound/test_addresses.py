"""Only proxies that are trusted name a client's address, and only a safe address has keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.access.addresses import client_address, jwks_url_mistake, read_networks
from consumers.northbound.access.local_clients import LocalAuthenticator
from consumers.northbound.access.refusals import AccessRefusedError
from router.northbound.principal import LOCAL_PRINCIPAL

PROXIES = read_networks("10.0.0.0/8, ::1")
PUBLIC = st.ip_addresses(v=4, network="203.0.113.0/24").map(str)


def address(peer: str, forwarded: str | None) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(peer, headers, PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.1.1", None, "10.1.1.1"),
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("10.1.1.1", "unknown, 10.2.2.2", "10.2.2.2"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("::ffff:10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_address_is_what_the_last_trusted_proxy_saw(peer: str, forwarded: str | None, expected: str) -> None:
    assert address(peer, forwarded) == expected


@given(PUBLIC, st.text(max_size=100))
def test_what_a_client_writes_before_the_proxy_is_not_believed(client: str, written: str) -> None:
    assert address("10.1.1.1", f"{written}, {client}") == client


@given(st.text(max_size=30), st.text(max_size=200))
def test_any_header_is_read(peer: str, forwarded: str) -> None:
    assert isinstance(address(peer, forwarded), str)


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("https://id.example.com/keys", True),
        ("https://id.example.com:8443/realms/a/certs?x=1", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://id.example.com/keys", False),
        ("http://localhost.example.com/keys", False),
        ("http://127.0.0.1@example.com/keys", False),
        ("https://user:secret@id.example.com/keys", False),
        ("https:///keys", False),
        ("https://a b/", False),
        ("https://[::1/", False),
        ("https://id.example.com:99999/", False),
        ("file:///etc/passwd", False),
        ("ftp://id.example.com", False),
        ("", False),
    ],
)
def test_keys_come_from_a_safe_address_only(url: str, is_accepted: bool) -> None:  # noqa: FBT001
    assert (jwks_url_mistake(url) is None) is is_accepted


async def is_local(**headers: str) -> bool:
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        client = await LocalAuthenticator().authenticate({"Host": "127.0.0.1:8701", **written})
    except AccessRefusedError as refused:
        return refused.status != 403
    return client is not None and client.principal == LOCAL_PRINCIPAL


@pytest.mark.parametrize("host", ["127.0.0.1:8701", "localhost:8701", "localhost", "[::1]:8701", "127.9.9.9"])
async def test_a_local_client_needs_no_credentials(host: str) -> None:
    assert await is_local(Host=host)


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:8701", "10.0.0.1", "localhost.x.example", "[::1"])
async def test_a_page_that_renames_its_host_is_refused(host: str) -> None:
    assert not await is_local(Host=host)


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [("http://localhost:8701", True), ("http://evil.example", False), ("null", False), ("", False)],
)
async def test_a_page_of_another_site_is_refused(origin: str, accepted: bool) -> None:  # noqa: FBT001
    assert await is_local(Origin=origin) is accepted


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "X_Forwarded_Host"])
async def test_a_forwarded_request_is_refused(name: str) -> None:
    assert not await is_local(**{name: "127.0.0.1"})
