"""Events are sent to public addresses, or where an operator allows it: however an address is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.hub.callback import CallbackError, read_callback
from router.northbound.hub.address_policy import AddressPolicy, embedded_address, is_public, parse_network

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address that is refused
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # metadata of AWS, Azure, Google Cloud and others
    "100.100.100.200",  # metadata of Alibaba Cloud
    "192.0.0.192",  # metadata of Oracle Cloud
    "168.63.129.16",  # WireServer of Azure
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",  # metadata of AWS
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "100::1",
    "3fff::1",
    "5f00::1",
    "::5efe:7f00:1",  # not allocated, as all that follow
    "1234::1",
    "4000::1",
    "8000::1",
]
STRICT = AddressPolicy()


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_the_inside_are_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    assert STRICT.refusal_of_address(ip_address(address))
    written = f"[{address.replace('%', '%25')}]" if ":" in address else address
    with pytest.raises(CallbackError):
        read_callback(f"https://{written}/listener", STRICT)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert read_callback(f"https://{host}/listener", STRICT)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:", "::", "::ffff:0:", "64:ff9b::"]))
def test_an_ipv6_address_that_stands_for_another_one_is_judged_as_that(address: IPv4Address, prefix: str) -> None:
    wrapped = ip_address(f"{prefix}{address}")
    assert isinstance(wrapped, IPv6Address)
    assert embedded_address(wrapped) == address
    assert is_public(wrapped) == is_public(address)


@given(st.ip_addresses(v=4))
def test_a_6to4_address_is_judged_as_its_router(address: IPv4Address) -> None:
    wrapped = IPv6Address(0x2002 << 112 | int(address) << 80)
    assert is_public(wrapped) == is_public(address)


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_never_public(address: IPv4Address | IPv6Address) -> None:
    stands_for_other = isinstance(address, IPv6Address) and embedded_address(address) is not None
    assert address.is_global or stands_for_other or not is_public(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_an_operator_can_allow_a_network(address: IPv4Address) -> None:
    policy = AddressPolicy(networks=(parse_network("10.0.0.0/8"),))
    assert policy.refusal_of_address(address) is None
    assert policy.refusal_of_address(ip_address(f"::ffff:{address}")) is None
    assert policy.refusal_of_address(IPv4Address("192.168.0.1"))


@pytest.mark.parametrize(
    "callback",
    [
        "http://orders.example/listener",
        "ftp://orders.example/listener",
        "//orders.example/listener",
        "orders.example/listener",
        "https:///listener",
        "https://user:secret@orders.example/",
        "https://orders.example/#part",
        "https://orders.example/a b",
        "https://orders.example\\@evil.example/",
        "https://orders.example/\n",
        "https://\u0131nside.example/",
        "https://ord ers.example/",
        "https://orders.example:0x50/",
        "https://orders.example:99999/",
        "https://[::1/",
        "https://" + "a" * 2001,
    ],
)
def test_what_is_no_plain_https_address_is_refused(callback: str) -> None:
    with pytest.raises(CallbackError):
        read_callback(callback, STRICT)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("orders.example", True),
        ("ORDERS.example.", True),
        ("a.b.partner.example", True),
        ("partner.example", False),
        ("evilpartner.example", False),
        ("orders.example.evil.example", False),
        ("8.8.8.8", False),
    ],
)
def test_only_allowed_hosts_may_be_called_if_there_are_any(host: str, allowed: bool) -> None:  # noqa: FBT001 - a case
    policy = AddressPolicy(hosts=("orders.example", "*.partner.example"))
    assert (policy.refusal_of_url("https", host) is None) is allowed


def test_http_is_allowed_by_setting_only() -> None:
    assert read_callback("http://orders.example/x", AddressPolicy(allows_http=True)) == "http://orders.example/x"
