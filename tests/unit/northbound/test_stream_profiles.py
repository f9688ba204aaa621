"""Profiles of streams, and what is refused before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.northbound.streams.profile import StreamSource, load_destinations, load_sources
from consumers.runtime.config import WorkerConfig
from consumers.runtime.kafka.topic_limits import TopicLimits
from consumers.spokes.profile_loader import ProfilesWrongError
from southbound.exit_codes import CommandFailedError
from southbound.operations.configuration import check_configuration
from southbound.operations.run_service import run_service
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.roles import Role, default_roles
from southbound.service.streams.clients import source_consumer_settings, stream_client_settings, stream_mistakes
from southbound.service.streams.topic_checks import StreamTopicWatch, retention_warning, size_warning
from southbound.settings.settings import KafkaSettings, RoutingSettings, Settings, StreamSettings

if TYPE_CHECKING:
    from pathlib import Path

HERMES = "snc.acme.default.sn_streamconnect.runs"
TOPIC = "topic: runs\n"


def a_file(folder: Path, text: str, name: str = "desk.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"name: desk\n{TOPIC}topics: x\n", "3: source 'desk', field 'topics': no such field: did you mean 'topic'?"),
        ("name: desk\ntopic: a b\n", "2: source 'desk', field 'topic': may hold letters, digits"),
        ("name: desk\ntopic: snc.acme.runs\n", "a topic of Hermes is snc.<instance>.<namespace>.sn_<application>"),
        (f"name: desk\ntopic: {HERMES}{'x' * 200}\n", "at most 200 characters"),
        (f"name: desk\ntopic: {HERMES}\ngroup: mine\n", "begins with the name of the instance: snc.acme."),
        (f"name: desk\n{TOPIC}bootstrap: [acme]\n", "must be host:port"),
        (f"name: desk\n{TOPIC}format: change-data\n", "change-data needs 'target'"),
        (f"name: desk\n{TOPIC}target: instance\n", "no other format has it"),
        (f"name: desk\n{TOPIC}time: updated\n", "must be a JSON pointer such as /sys_updated_on, or header:<name>"),
        (f"name: desk\n{TOPIC}body: event\n", "which begins with '/'"),
        (f"name: desk\n{TOPIC}format: cloudevents\ntenant: acme\n", "events of Southbound name their tenant"),
        (f"name: desk\n{TOPIC}secrets: {{sasl.password: hunter2}}\n", "never the secret itself"),
        ("- desk\n", "a profile is a mapping with at least 'name' and 'topic'"),
    ],
)
def test_a_mistake_in_a_source_is_named_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ProfilesWrongError) as wrong:
        load_sources([a_file(tmp_path, text)])
    assert sentence in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


def test_a_destination_needs_a_topic(tmp_path: Path) -> None:
    with pytest.raises(ProfilesWrongError, match="needs 'results' or 'inflight', or both"):
        load_destinations([a_file(tmp_path, "name: desk\n")])


@pytest.mark.parametrize(
    ("topic", "compression", "is_taken"),
    [(HERMES, "zstd", False), (HERMES, "snappy", False), (HERMES, "gzip", True), ("results", "zstd", True)],
)
def test_a_topic_of_hermes_takes_only_what_is_compressed_as_it_reads(
    tmp_path: Path, topic: str, compression: str, *, is_taken: bool
) -> None:
    file = a_file(tmp_path, f"name: desk\nresults: {topic}\nclient: {{compression.type: {compression}}}\n")
    if is_taken:
        assert load_destinations([file])
        return
    with pytest.raises(ProfilesWrongError, match=r"'compression\.type' in 'client' must be gzip, lz4 or none"):
        load_destinations([file])


def test_groups_of_hermes_begin_with_the_instance() -> None:
    assert StreamSource(name="desk", topic=HERMES).group_of("sb") == "snc.acme.sb.ingress.desk"
    assert StreamSource(name="desk", topic="runs").group_of("sb") == "sb.ingress.desk"


def test_librdkafka_settings_are_those_that_may_be_passed_on(tmp_path: Path) -> None:
    a_file(tmp_path, f"name: desk\n{TOPIC}client: {{plugin.library.paths: x, bootstrap.servers: y}}\n")
    with pytest.raises(InvalidConfigurationError) as wrong:
        load_rules(RoutingSettings(), None, StreamSettings(sources=tmp_path))
    first, second = wrong.value.mistakes
    assert "could load code" in first
    assert "use the field 'bootstrap'" in second


def test_change_data_is_read_at_a_target_that_exists(tmp_path: Path) -> None:
    a_file(tmp_path, f"name: desk\n{TOPIC}format: change-data\ntarget: instance\n")
    with pytest.raises(InvalidConfigurationError, match="reads runs at the target 'instance', which has no profile"):
        load_rules(RoutingSettings(), None, StreamSettings(sources=tmp_path))


def test_a_folder_without_profiles_is_a_mistake(tmp_path: Path) -> None:
    for streams in (StreamSettings(sources=tmp_path), StreamSettings(destinations=tmp_path)):
        with pytest.raises(InvalidConfigurationError, match=r"has no profile of a stream .* streams\."):
            load_rules(RoutingSettings(), None, streams)


@pytest.mark.parametrize(
    ("role", "setting"), [(Role.INGRESS, "streams.sources"), (Role.EGRESS, "streams.destinations")]
)
def test_the_roles_need_streams(role: Role, setting: str) -> None:
    with pytest.raises(CommandFailedError, match=setting):
        run_service(Settings(), [role], None)


def test_the_roles_run_by_default_if_there_are_streams(tmp_path: Path) -> None:
    assert not {Role.INGRESS, Role.EGRESS} & {*default_roles(Settings())}
    streams = StreamSettings(sources=tmp_path, destinations=tmp_path)
    assert {Role.INGRESS, Role.EGRESS} <= {*default_roles(Settings(streams=streams))}


def test_config_check_reports_missing_secrets_wrong_settings_and_loops(tmp_path: Path) -> None:
    sources, destinations = tmp_path / "sources", tmp_path / "destinations"
    sources.mkdir()
    destinations.mkdir()
    a_file(sources, "name: desk\ntopic: p.testrun.lifecycle\nclient: {security.protocol: carrier-pigeon}\n")
    missing = "bootstrap: ['h:1']\nsecrets: {sasl.password: 'env:SOUTHBOUND_SECRET_DESK'}\n"
    a_file(sources, f"name: other\n{TOPIC}{missing}", "other.yaml")
    a_file(destinations, "name: desk\nresults: p.testrun.results\n")
    settings = Settings(
        kafka=KafkaSettings(prefix="p."), streams=StreamSettings(sources=sources, destinations=destinations)
    )
    with pytest.raises(CommandFailedError) as failed:
        check_configuration(settings, {})
    text = str(failed.value)
    assert "source 'desk': p.testrun.lifecycle is a topic of Southbound itself" in text
    assert "destination 'desk': p.testrun.results is a topic of Southbound itself" in text
    assert "source 'other', field 'secrets': there is no secret at env:SOUTHBOUND_SECRET_DESK" in text
    assert "source 'desk', field 'client': Invalid value for configuration property" in text


def test_a_stream_with_a_cluster_of_its_own_does_not_get_the_credentials_of_southbound() -> None:
    kafka = KafkaSettings.model_validate(
        {"bootstrap": "ours:1", "client": {"sasl.username": "us"}, "password": "secret"}
    )
    own = StreamSource(name="desk", topic="runs", bootstrap=("theirs:1",), secrets={"sasl.password": "env:THEIRS"})
    config = WorkerConfig(role="ingress.desk", group="g", dead_letter_topic="d")
    settings = source_consumer_settings(kafka, own, "theirs:1", config, {"THEIRS": "their secret"})
    assert (settings["bootstrap.servers"], settings["sasl.password"]) == ("theirs:1", "their secret")
    assert "sasl.username" not in settings
    same = StreamSource(name="desk", topic="runs", client={"client.id": "ingress"})
    shared = stream_client_settings(kafka, same, "ours:1", {})
    assert (shared["sasl.username"], shared["sasl.password"], shared["client.id"]) == ("us", "secret", "ingress")


@pytest.mark.parametrize(
    ("retention_ms", "warns"), [(36 * 3_600_000, False), (3_600_000, True), (float("inf"), False), (None, False)]
)
def test_a_topic_that_keeps_orders_for_too_short_a_time_is_named(retention_ms: float | None, warns: bool) -> None:  # noqa: FBT001
    limits = TopicLimits(retention_ms=retention_ms, max_message_bytes=None)
    sentence = retention_warning("desk", "runs", limits, longest_outage=24.0)
    assert (sentence is not None) == warns
    assert sentence is None or "runs keeps records for 1 h, and streams.longest_outage is 24 h" in sentence


@pytest.mark.parametrize(("theirs", "warns"), [(2_000_000, False), (1_000_000, True), (None, False)])
def test_a_topic_that_refuses_large_results_is_named(theirs: int | None, warns: bool) -> None:  # noqa: FBT001
    ours = TopicLimits(retention_ms=None, max_message_bytes=1_048_588)
    limits = TopicLimits(retention_ms=None, max_message_bytes=theirs)
    assert (size_warning("desk", "results", limits, ours) is not None) == warns


async def test_a_warning_about_a_topic_is_reported_once_until_it_is_gone() -> None:
    found, reported = [["a"], ["a", "b"], [], ["a"]], list[str]()
    watch = StreamTopicWatch(check=lambda: found.pop(0), warn=reported.append)
    for _ in range(4):
        await watch.work()
    assert reported == ["a", "b", "a"]


def test_streams_without_mistakes_have_none(tmp_path: Path) -> None:
    a_file(tmp_path, f"name: desk\n{TOPIC}")
    rules = load_rules(RoutingSettings(), None, StreamSettings(sources=tmp_path, destinations=None))
    assert stream_mistakes(rules, KafkaSettings(), {}) == []
