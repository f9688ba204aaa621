"""The settings of a local broker, and the error messages on machines without Java, Maven or Docker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from southbound.broker import open_broker as choice
from southbound.broker.broker import Broker, BrokerKind, BrokerUnavailableError
from southbound.broker.docker import container_command, volume_name
from southbound.broker.jars import cache_folder, class_path, ensure_jars
from southbound.broker.java import Java, find_java, find_maven, parse_version
from southbound.broker.node_settings import environment_variables, node_settings, properties_text
from southbound.broker.server import run_command

DEBIAN_17 = 'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)'
JAVA_8 = 'java version "1.8.0_402"\nJava(TM) SE Runtime Environment'
EARLY_ACCESS_JAVA = 'openjdk version "25-ea" 2025-09-16'


@pytest.mark.parametrize(("output", "release"), [(DEBIAN_17, 17), (JAVA_8, 8), (EARLY_ACCESS_JAVA, 25), ("no idea", 0)])
def test_the_release_of_a_java_is_read_from_what_it_prints(output: str, release: int) -> None:
    assert Java(path=Path("java"), version=parse_version(output)).release == release


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the only folder on PATH of a machine without Java, Maven or Docker, for a user without files."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def a_program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_without_java_the_message_names_the_packages_and_the_other_ways(bare_machine: Path) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"default-jre-headless maven.*Docker.*BOOTSTRAP"):
        find_java()


def test_a_java_that_is_too_old_is_named_with_its_version(bare_machine: Path) -> None:
    a_program(bare_machine, "java", "echo 'java version \"1.8.0_402\"' >&2")
    with pytest.raises(BrokerUnavailableError, match=r"17 or newer; .*/java is Java 1\.8\.0_402"):
        find_java()


def test_java_home_comes_before_the_path(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = bare_machine / "jdk"
    (home / "bin").mkdir(parents=True)
    a_program(home / "bin", "java", "echo 'openjdk version \"21.0.2\"' >&2")
    a_program(bare_machine, "java", "echo 'openjdk version \"17.0.1\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java().release == 21


def test_without_maven_the_message_names_the_package(bare_machine: Path) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"Maven once.*apt-get install"):
        find_maven()


def test_maven_is_not_started_when_the_jars_are_cached(bare_machine: Path) -> None:
    cache_folder().mkdir(parents=True)
    assert ensure_jars(print) == cache_folder()


def test_the_output_of_a_failed_maven_is_quoted_and_no_partial_cache_remains(bare_machine: Path) -> None:
    a_program(bare_machine, "mvn", "echo 'no route to the repository'; exit 1")
    with pytest.raises(BrokerUnavailableError, match=r"check the network.*no route to the repository"):
        ensure_jars(lambda _: None)
    assert not cache_folder().exists()
    assert list(cache_folder().parent.iterdir()) == []


def test_the_jars_appear_all_at_once(bare_machine: Path) -> None:
    write_one = "for w; do case $w in -DoutputDirectory=*) /bin/mkdir ${w#*=}; : > ${w#*=}/kafka.jar;; esac; done"
    a_program(bare_machine, "mvn", write_one)
    messages: list[str] = []
    assert [jar.name for jar in ensure_jars(messages.append).iterdir()] == ["kafka.jar"]
    assert messages == ["Downloading Apache Kafka 4.4.0 with Maven, only this time"]
    assert [entry.name for entry in cache_folder().parent.iterdir()] == [cache_folder().name]


def test_the_class_path_has_one_order(tmp_path: Path) -> None:
    for name in ("b.jar", "a.jar", "classes-17.jsa"):
        (tmp_path / name).touch()
    assert class_path(tmp_path) == f"{tmp_path}/a.jar:{tmp_path}/b.jar"


def test_a_node_does_not_create_topics_automatically() -> None:
    assert a_node()["auto.create.topics.enable"] == "false"


def test_settings_become_properties_and_variables_of_the_official_image() -> None:
    assert properties_text({"log.dirs": "/data"}) == "log.dirs=/data\n"
    assert environment_variables({"log.dirs": "/data"}) == {"KAFKA_LOG_DIRS": "/data"}


def test_a_container_on_linux_stays_on_loopback() -> None:
    command = a_container(platform="linux")
    assert command[command.index("--network") + 1] == "host"
    assert "KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093" in command
    assert command[-1] == "apache/kafka:4.4.0"


def test_a_container_elsewhere_publishes_its_port_on_loopback_only() -> None:
    command = a_container(platform="darwin")
    assert command[command.index("--publish") + 1] == "127.0.0.1:9092:9092"
    assert "--network" not in command


def test_two_folders_keep_their_data_in_two_volumes(tmp_path: Path) -> None:
    assert volume_name(tmp_path / "a") != volume_name(tmp_path / "b")
    assert volume_name(tmp_path / "a") == volume_name(tmp_path / "b" / ".." / "a")


def test_a_command_that_is_missing_has_failed() -> None:
    ended = run_command(["/nowhere/docker", "version"])
    assert not ended.ok
    assert "/nowhere/docker" in ended.output_tail


def test_a_command_that_is_too_slow_has_failed() -> None:
    assert not run_command(["sleep", "60"], timeout=0.05).ok


def test_a_configured_broker_is_used_as_it_is_and_nothing_is_started(bare_machine: Path) -> None:
    messages: list[str] = []
    with choice.open_broker("kafka.example:9092", None, messages.append) as broker:
        assert broker == Broker(bootstrap="kafka.example:9092", kind=BrokerKind.CONFIGURED)
    assert messages == ["Using the configured Kafka at kafka.example:9092"]


def test_without_an_engine_and_a_jvm_the_error_explains_what_is_missing(bare_machine: Path) -> None:
    with pytest.raises(BrokerUnavailableError, match="Java 17"), choice.open_broker(None, None, print):
        pytest.fail("there is no broker")


def test_the_jvm_is_used_when_the_engine_cannot_get_the_image(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_program(bare_machine, "docker", '[ "$1" = version ] || { echo "no such host"; exit 1; }')
    monkeypatch.setattr(choice, "jvm_broker", a_jvm_broker)
    messages: list[str] = []
    with choice.open_broker(None, "a/kafka:1", messages.append) as broker:
        assert broker.kind is BrokerKind.JVM
    assert messages == [
        "Starting Kafka in Docker from a/kafka:1",
        "Pulling the image a/kafka:1, only this time",
        "Docker cannot get the image a/kafka:1. Output: no such host",
        "Starting Kafka in a local JVM",
        "Kafka answers at 127.0.0.1:1",
    ]


@contextmanager
def a_jvm_broker(report: object, *, folder: Path | None, port: int | None) -> Iterator[Broker]:
    yield Broker(bootstrap="127.0.0.1:1", kind=BrokerKind.JVM)


def a_node() -> dict[str, str]:
    return node_settings(port=9092, controller_port=9093, data="/data")


def a_container(*, platform: str) -> list[str]:
    return container_command("apache/kafka:4.4.0", "a-name", 9092, 9093, platform=platform)
