"""The settings of the hub, which notifies subscribers of what happens to runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from router.northbound.hub.address_policy import AddressPolicy, parse_network
from southbound.settings.section import Section

MIN_KEY_LENGTH = 32  # characters


class HubSettings(Section):
    """The notification of subscribers (role `hub`)."""

    enabled: bool = Field(default=False, description="Whether `southbound run` without roles also runs the role `hub`.")
    signing_key: SecretStr | None = Field(
        None,
        description="Secret from which that of each subscription is derived; at least 32 characters, the same for all"
        " processes. The role `hub` needs it. Another one changes the secrets of all subscriptions.",
    )
    previous_signing_key: SecretStr | None = Field(
        None,
        description="The signing key before: events are signed with both, until every subscriber has its new secret.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts to which events may be sent: names, or `*.example.com` for all names below it. None: every"
        " host.",
    )
    allowed_networks: tuple[str, ...] = Field(
        (),
        description="Networks to which events may be sent although they are not public, such as `10.20.0.0/16`."
        " Addresses of this machine, of private networks and of the metadata services of clouds are refused otherwise.",
    )
    allow_http: bool = Field(default=False, description="Whether events may be sent without TLS.")
    payload: Literal["full", "thin"] = Field(
        "full",
        description="`full`: an event has the whole run. `thin`: its id, address and what changed. A subscription whose"
        " query names `fields` gets these.",
    )
    max_subscriptions: int = Field(
        100, ge=1, le=1_000, description="Largest number of subscriptions of all clients together."
    )
    max_subscriptions_per_client: int = Field(
        20, ge=1, le=1_000, description="Largest number of subscriptions of one client, so that none takes all."
    )
    concurrency: int = Field(4, ge=1, le=50, description="Runs whose events are sent to one subscriber at once.")
    timeout: float = Field(10.0, gt=0, le=10, description="Seconds to wait for a subscriber's response.")
    max_pause: float = Field(
        300.0, ge=1, description="Longest pause in seconds between two attempts to reach a subscriber that fails."
    )
    park_after: float = Field(
        86_400.0,
        gt=0,
        description="Seconds for which every delivery to a subscriber has failed until nothing more is sent to it;"
        " `southbound subscriptions resume` continues.",
    )
    keep_events: int = Field(
        10_000, ge=1, description="Largest number of events that wait for one subscriber; older ones are dropped."
    )
    keep_for: float = Field(7.0, gt=0, description="Days for which an event waits for a subscriber.")

    @field_validator("signing_key", "previous_signing_key")
    @classmethod
    def _validate_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < MIN_KEY_LENGTH:
            raise ValueError(f"must have at least {MIN_KEY_LENGTH} characters")
        return key

    @field_validator("allowed_networks")
    @classmethod
    def _validate_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                parse_network(network)
            except ValueError:
                raise ValueError(f"{network[:80]!r} is no network such as 10.20.0.0/16") from None
        return networks

    def policy(self) -> AddressPolicy:
        """Return to which addresses events may be sent."""
        return AddressPolicy(
            hosts=self.allowed_hosts,
            networks=tuple([parse_network(network) for network in self.allowed_networks]),
            allows_http=self.allow_http,
        )
