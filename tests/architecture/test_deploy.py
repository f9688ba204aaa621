"""The files for operators agree with the code."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from consumers.spokes.credentials import CallbackToken, NoAuth
from consumers.spokes.profile import Profile
from consumers.spokes.profile_loader import load_profiles
from schemas.topics import Topic, all_topics
from southbound.broker.docker import IMAGE
from southbound.broker.jars import KAFKA_VERSION
from southbound.service.open_callbacks import open_callback_mistakes
from southbound.settings.settings import DEFAULTS, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SEPARATORS = re.compile(r"[-_.]+")


def load_yaml(path: Path) -> Any:  # noqa: ANN401 - any YAML
    return YAML(typ="safe").load(path)


def topic_entry(topic: Topic) -> dict[str, object]:
    entry: dict[str, object] = {
        "name": topic.name,
        "key": topic.key,
        "partitions": topic.partitions,
        "cleanup": topic.cleanup,
        "max_message_bytes": topic.max_message_bytes,
        "carries": list(topic.carries),
    }
    return entry if topic.retention_ms is None else {**entry, "retention_ms": topic.retention_ms}


def test_the_topics_file_lists_exactly_the_topics_of_the_code() -> None:
    listed = load_yaml(DEPLOY / "topics.yaml")["topics"]
    assert listed == [topic_entry(topic) for topic in all_topics(spokes=["<spoke>"])]


def test_compose_runs_the_kafka_that_the_tests_run() -> None:
    assert load_yaml(DEPLOY / "compose.yaml")["services"]["kafka"]["image"] == IMAGE
    assert f"kafka:{KAFKA_VERSION}" in IMAGE
    assert default_section("broker").image == IMAGE


@pytest.mark.parametrize("file", ["compose.yaml", "Dockerfile", "README.md"])
def test_every_setting_that_deployment_names_exists(file: str) -> None:
    named = set(re.findall(r"SOUTHBOUND_([A-Z]+)__([A-Z_]+)", (DEPLOY / file).read_text()))
    assert named
    assert sorted(f"{a}__{b}" for a, b in named if not is_setting(a.lower(), b.lower())) == []


def test_the_image_probes_the_port_that_health_listens_on() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    listener, health = default_section("listener").port, default_section("health").port
    assert f"127.0.0.1:{health}/health/live" in dockerfile
    assert f"EXPOSE {listener} {health}" in dockerfile


def test_compose_starts_the_image_with_callbacks_that_carry_a_token() -> None:
    host = re.findall(r"SOUTHBOUND_LISTENER__HOST=(\S+)", (DEPLOY / "Dockerfile").read_text())
    service = load_yaml(DEPLOY / "compose.yaml")["services"]["southbound"]
    folder = service["environment"]["SOUTHBOUND_ROUTING__SPOKES"]
    assert f"./spokes:{folder}:ro" in service["volumes"]
    profiles = load_profiles(sorted((DEPLOY / "spokes").glob("*.yaml")))
    assert open_callback_mistakes(host[0], profiles) == []
    assert {reference_of(profile) for profile in profiles} == {"env:SOUTHBOUND_SECRET_CALLBACK_TOKEN"}
    assert "SOUTHBOUND_SECRET_CALLBACK_TOKEN" in service["environment"]


def test_the_profiles_of_compose_are_the_shipped_ones_with_a_token() -> None:
    ours, shipped = (
        load_profiles(sorted(folder.glob("*.yaml"))) for folder in (DEPLOY / "spokes", DEFAULTS / "spokes")
    )
    assert [profile.model_copy(update={"callback_auth": NoAuth()}) for profile in ours] == [*shipped]


def test_the_shipped_profiles_alone_do_not_start_in_the_image() -> None:
    profiles = load_profiles(sorted((DEFAULTS / "spokes").glob("*.yaml")))
    assert len(open_callback_mistakes("0.0.0.0", profiles)) == len(profiles)  # noqa: S104 - nothing is bound


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, also = project["dependencies"], project["optional-dependencies"]["dev"]
    runtime, dev = locked_versions("runtime"), locked_versions("dev")
    assert requirement_names(needed) - runtime.keys() == set()
    assert requirement_names([*needed, *also]) - dev.keys() == set()


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_locked_versions_are_allowed_by_the_project(lock: str) -> None:
    versions = locked_versions(lock)
    allowed = {SEPARATORS.sub("-", requirement.name).lower(): requirement.specifier for requirement in requirements()}
    known = allowed.keys() & versions.keys()
    assert "aiohttp" in known
    assert {name: versions[name] for name in known if not allowed[name].contains(versions[name])} == {}


def test_aiohttp_is_capped_at_the_minor_that_is_tested() -> None:
    (aiohttp,) = [requirement for requirement in requirements() if requirement.name == "aiohttp"]
    major, minor, _ = locked_versions("runtime")["aiohttp"].split(".")
    assert not aiohttp.specifier.contains(f"{major}.{int(minor) + 1}.0")


@pytest.mark.parametrize("lock", ["runtime", "build"])
def test_tested_versions_are_the_shipped_ones(lock: str) -> None:
    dev = locked_versions("dev")
    assert {
        name: (version, dev.get(name)) for name, version in locked_versions(lock).items() if dev.get(name) != version
    } == {}


@pytest.mark.parametrize("lock", ["runtime", "dev", "build", "uv"])
def test_a_lock_file_has_hashes_and_no_registry_host(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert text.count("==") <= text.count("--hash=sha256:")


def reference_of(profile: Profile) -> str:
    assert isinstance(profile.callback_auth, CallbackToken)
    return profile.callback_auth.token


def default_section(name: str) -> Any:  # noqa: ANN401 - any section of the settings
    """Return the defaults of one section, independent of the environment of the tests."""
    return Settings.model_fields[name].default


def is_setting(name: str, field: str) -> bool:
    return name in Settings.model_fields and field in type(default_section(name)).model_fields


def locked_versions(lock: str) -> dict[str, str]:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, flags=re.MULTILINE))


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]


def requirement_names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {SEPARATORS.sub("-", match.group()).lower() for match in found if match}
