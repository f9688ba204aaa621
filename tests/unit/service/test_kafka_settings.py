"""Members of groups get the operator's settings, and an id of their own if they are static."""

from __future__ import annotations

import socket

import pytest

from southbound.service.kafka_settings import client_settings, member_overrides, session_timeout
from southbound.settings.settings import KafkaSettings


def test_members_are_dynamic_unless_a_setting_says_otherwise() -> None:
    assert "group.instance.id" not in member_overrides(KafkaSettings(), "routing")


def test_a_static_member_has_the_name_of_its_host_or_pod_and_of_its_role() -> None:
    kafka = KafkaSettings(static_membership=True)
    assert member_overrides(kafka, "dispatch.fibre-lab")["group.instance.id"] == (
        f"{socket.gethostname()}.dispatch.fibre-lab"
    )


def test_processes_on_one_host_have_names_of_their_own() -> None:
    kafka = KafkaSettings(static_membership=True, instance="gateway-1")
    assert member_overrides(kafka, "routing")["group.instance.id"] == "gateway-1.routing"


def test_an_id_among_the_settings_of_librdkafka_wins() -> None:
    kafka = KafkaSettings(static_membership=True, client={"group.instance.id": "mine"})
    assert member_overrides(kafka, "routing")["group.instance.id"] == "mine"


def test_clients_that_are_in_no_group_have_no_id_of_a_member() -> None:
    kafka = KafkaSettings(static_membership=True, instance="gateway-1")
    assert not [name for name in client_settings(kafka) if name.startswith("group.")]


@pytest.mark.parametrize("instance", ["", "a b", "ü", "x" * 151])
def test_a_name_that_kafka_refuses_is_a_mistake_in_the_settings(instance: str) -> None:
    with pytest.raises(ValueError, match="instance"):
        KafkaSettings(static_membership=True, instance=instance)


@pytest.mark.parametrize(
    ("kafka", "seconds"),
    [
        (KafkaSettings(), 6),
        (KafkaSettings(static_membership=True), 30),
        (KafkaSettings(protocol="consumer"), 30),
        (KafkaSettings(client={"session.timeout.ms": 12_000}), 12),
        (KafkaSettings(static_membership=True, client={"session.timeout.ms": "45000"}), 45),
    ],
)
def test_the_session_is_short_unless_members_are_static_or_the_broker_sets_it(
    kafka: KafkaSettings, seconds: float
) -> None:
    assert session_timeout(kafka) == seconds
