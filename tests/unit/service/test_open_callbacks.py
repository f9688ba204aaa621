"""Callbacks that anyone could send are a mistake, unless the listener is on loopback or the profile accepts it."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.spokes.security.loopback import is_loopback
from southbound.service.open_callbacks import open_callback_mistakes, openly_accepted
from tests.builders.spokes import a_profile

TOKEN = {"kind": "token", "token": "env:CALLBACK_TOKEN"}
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"])
def test_a_loopback_address_is_known(host: str) -> None:
    assert is_loopback(host)
    assert open_callback_mistakes(host, [a_profile()]) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.5", "listener.example", "::ffff:10.0.0.5"])  # noqa: S104 - nothing is bound
def test_any_other_address_is_open(host: str) -> None:
    assert not is_loopback(host)
    (mistake,) = open_callback_mistakes(host, [a_profile()])
    assert "fibre-lab" in mistake
    assert "callback_auth" in mistake
    assert "accept from anyone" in mistake


@pytest.mark.parametrize(
    "profile",
    [{"callback_auth": TOKEN}, {"unauthenticated_callbacks": "accept from anyone"}, {"result_channels": ["poll"]}],
)
def test_a_spoke_with_credentials_with_acceptance_or_without_callbacks_is_no_mistake(profile: dict[str, Any]) -> None:
    assert open_callback_mistakes(EVERYWHERE, [a_profile(**profile)]) == []


def test_acceptance_is_told() -> None:
    accepted = a_profile(unauthenticated_callbacks="accept from anyone")
    assert openly_accepted(EVERYWHERE, [accepted, a_profile(callback_auth=TOKEN)]) == ["fibre-lab"]
    assert openly_accepted("127.0.0.1", [accepted]) == []


@pytest.mark.parametrize("channels", [["poll"], ["sync"]])
def test_a_spoke_that_does_not_call_back_has_no_address_at_the_listener_without_credentials(
    channels: list[str],
) -> None:
    assert not a_profile(result_channels=channels).takes_callbacks
    assert a_profile(result_channels=channels, callback_auth=TOKEN).takes_callbacks
