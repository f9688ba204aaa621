"""Settings come from a file and the environment; all mistakes are reported at once, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from southbound.service.open_resources import TRANSPORTS
from southbound.settings.settings import (
    DEFAULT_FILE,
    HttpSettings,
    Settings,
    SettingsError,
    WorkerSettings,
    load_settings,
    load_with_origins,
    sections,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "hunter2-and-more"  # noqa: S105 - a test value
WORDS = st.sampled_from(["", "url", "group", "client", "level", "x"])
CONTENT = st.integers() | st.lists(WORDS, max_size=2) | st.dictionaries(WORDS, st.integers() | WORDS, max_size=2)
NUMBERS = st.none() | st.integers(1, 5000)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings_errors(environment: Mapping[str, str], text: str | None = None) -> list[str]:
    """Load invalid settings and return the mistakes."""
    config = None if text is None else write_settings(text)
    with pytest.raises(SettingsError) as wrong:
        load_settings(config, environment)
    return wrong.value.mistakes


def write_settings(text: str, name: str = "mine.yaml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_needs_to_be_set() -> None:
    assert load_settings(None, {}) == Settings()


def test_the_environment_wins_over_the_file_setting_by_setting() -> None:
    file = write_settings("kafka: {prefix: from-file., group: from-file}\nworker: {max_in_flight: 7}\n")
    settings = load_settings(file, {"SOUTHBOUND_KAFKA__PREFIX": "from-env."})
    assert (settings.kafka.prefix, settings.kafka.group, settings.worker.max_in_flight) == (
        "from-env.",
        "from-file",
        7,
    )


@given(in_file=NUMBERS, in_environment=NUMBERS)
def test_a_variable_goes_before_the_file_and_the_file_before_the_default(
    in_file: int | None, in_environment: int | None
) -> None:
    file = write_settings("" if in_file is None else f"health:\n  port: {in_file}\n")
    environment = {} if in_environment is None else {"SOUTHBOUND_HEALTH__PORT": str(in_environment)}
    loaded = load_with_origins(file, environment)
    assert loaded.settings.health.port == (in_environment or in_file or Settings().health.port)
    expected = "SOUTHBOUND_HEALTH__PORT" if in_environment else "mine.yaml:2" if in_file else "default"
    assert loaded.origin("health", "port") == expected


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings(None, {"SOUTHBOUND_KAFKA__BOOTSTRAP": ""}).kafka.bootstrap is None


def test_client_entries_of_the_environment_override_those_of_the_file_one_by_one() -> None:
    file = write_settings("kafka: {client: {a: 1, b: 2}}")
    settings = load_settings(file, {"SOUTHBOUND_KAFKA__CLIENT": json.dumps({"b": "x"})})
    assert settings.kafka.client == {"a": 1, "b": "x"}


def test_the_file_is_found_by_option_then_by_variable_then_in_the_working_folder() -> None:
    write_settings("health: {port: 1}", "option.yaml")
    write_settings("health: {port: 2}", "variable.yaml")
    write_settings("health: {port: 3}", str(DEFAULT_FILE))
    named = {"SOUTHBOUND_CONFIG": "variable.yaml"}
    found = [
        load_settings(config, env).health.port
        for config, env in ((Path("option.yaml"), named), (None, named), (None, {}))
    ]
    assert found == [1, 2, 3]


def test_a_relative_path_in_the_file_is_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    settings = load_settings(write_settings("routing: {spokes: spokes, policy: /p.yaml}", "etc/mine.yaml"), {})
    assert (settings.routing.spokes, settings.routing.policy) == (Path("etc/spokes"), Path("/p.yaml"))


def test_five_mistakes_are_five_sentences_that_name_the_place() -> None:
    text = "kafka:\n  bootsrap: x\n  start_timeout: -1\nlistener:\n  port: many\nworker: 3\n"
    errors = settings_errors({"SOUTHBOUND_LOG__LEVEL": "loud"}, text)
    assert sorted(errors) == [
        "SOUTHBOUND_LOG__LEVEL: log.level must be 'debug', 'info', 'warning' or 'error'",
        "mine.yaml:2: there is no setting kafka.bootsrap: did you mean kafka.bootstrap?",
        "mine.yaml:3: kafka.start_timeout must be more than 0",
        "mine.yaml:5: listener.port must be a whole number",
        "mine.yaml:6: worker must be a group of settings, one per line, indented",
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("SOUTHBOUND_KAFKA_BOOTSTRAP", "did you mean SOUTHBOUND_KAFKA__BOOTSTRAP?"),
        ("SOUTHBOUND_STORE__ULR", "did you mean SOUTHBOUND_STORE__URL?"),
        ("SOUTHBOUND_COFFEE", "remove it, or see `southbound config show` for all names"),
    ],
)
def test_an_unknown_variable_is_refused(name: str, remedy: str) -> None:
    assert settings_errors({name: "x"}) == [f"{name}: there is no such setting: {remedy}"]


@pytest.mark.parametrize(
    "environment",
    [
        {"SOUTHBOUND_TEST_KAFKA": "jvm"},
        {"SOUTHBOUND_SECRET_FIBRE_LAB": SECRET},
        {
            "SOUTHBOUND_SERVICE_HOST": "10.0.0.7",
            "SOUTHBOUND_SERVICE_PORT": "80",
            "SOUTHBOUND_PORT": "tcp://10.0.0.7:80",
        },
        {"SOUTHBOUND_API_SERVICE_HOST": "10.0.0.7", "SOUTHBOUND_API_PORT_80_TCP_ADDR": "10.0.0.7"},
        {"SOUTHBOUNDARY": "another word"},
    ],
)
def test_variables_of_other_programs_are_ignored(environment: dict[str, str]) -> None:
    assert load_settings(None, environment) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "mine.yaml:1: must hold groups of settings, such as `kafka:` with `bootstrap:` below it"),
        ("kafka:\n  group: a\n  group: b\n", "mine.yaml:3: a field is written twice: remove one"),
        ("kafak: {}\n", "mine.yaml:1: there is no setting kafak: did you mean kafka?"),
        ("kafka:\n  prefix: 7\n", "mine.yaml:2: kafka.prefix must be text: put it in quotes"),
        ("kafka:\n  client:\n    a: [1]\n", "mine.yaml:3: kafka.client.a must be text, a number, true or false"),
    ],
)
def test_the_mistakes_of_a_file_have_place_and_remedy(text: str, expected: str) -> None:
    assert settings_errors({}, text) == [expected]


def test_text_that_is_not_yaml_is_named_with_its_line() -> None:
    [error] = settings_errors({}, "kafka:\n  a: [1\nstore: x\n")
    assert error.startswith("mine.yaml:3: not valid YAML")


def test_a_file_that_is_named_must_exist() -> None:
    assert settings_errors({"SOUTHBOUND_CONFIG": "nowhere.yaml"}) == [
        "SOUTHBOUND_CONFIG: there is no file nowhere.yaml: correct the path"
    ]


def test_a_map_in_a_variable_is_json() -> None:
    [error] = settings_errors({"SOUTHBOUND_KAFKA__CLIENT": "security.protocol=SSL"})
    assert error.startswith("SOUTHBOUND_KAFKA__CLIENT: must be a JSON object")


@pytest.mark.parametrize(
    "url", [f"mysql://me:{SECRET}@db/x", "sqlite:///:memory:", "sqlite+x:///:memory:", "southbound.db", "sqlite:///"]
)
def test_an_invalid_store_address_is_refused_without_repeating_it(url: str) -> None:
    assert settings_errors({"SOUTHBOUND_STORE__URL": url}) == [
        "SOUTHBOUND_STORE__URL: store.url must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    ]


@pytest.mark.parametrize(
    "url",
    ["sqlite:///a.db", "sqlite+aiosqlite:///a.db", "postgres://h/d", "postgresql://h/d", "postgresql+asyncpg://h/d"],
)
def test_a_store_may_be_spelled_with_and_without_a_driver(url: str) -> None:
    assert load_settings(None, {"SOUTHBOUND_STORE__URL": url}).store.url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@company:secret/with:signs?#@h:5432/d?sslmode=verify-full",
        "postgresql://[::1]:5432/d",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://me:secret@h?sslmode=require&target_session_attrs=read-write",
        "postgresql://me:secret@/d?host=db-1:5432&host=db-2:5432&target_session_attrs=read-write",
    ],
)
def test_an_address_that_sqlalchemy_parses_may_be_the_address_of_a_store(url: str) -> None:
    assert load_settings(None, {"SOUTHBOUND_STORE__URL": url}).store.url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"postgresql://me:a@{SECRET}@h/d", "write %40 for @"),
        (f"postgresql://me:{SECRET}@h:port/d", "a number as PORT"),
        (f"postgresql://me:{SECRET}", "a number as PORT"),
        (f"postgresql://me:{SECRET}@h/d?sslrootcert=ca.pem", "PGSSLROOTCERT"),
        (f"postgresql://me:a?{SECRET}=1", "a number as PORT"),
        (f"postgresql://me@h/d?pasword={SECRET}", "and no others"),
        (f"postgresql://me:{SECRET}@h/d?sslmode=yes", "one of disable, allow, prefer"),
        (f"postgresql://me:{SECRET}@/d?host=a&host=b:1", "each of several hosts with its port"),
        (f"postgresql://me:{SECRET}@/d?target_session_attrs=standby", "one of any, primary, read-write"),
    ],
)
def test_an_invalid_address_is_one_sentence_without_its_password(url: str, expected: str) -> None:
    (error,) = settings_errors({"SOUTHBOUND_STORE__URL": url})
    assert error.startswith("SOUTHBOUND_STORE__URL: store.url m")
    assert expected in error
    assert SECRET not in error


@pytest.mark.parametrize("prefix", ["snc acme.", "a/b.", "ü.", "x" * 151])
def test_an_invalid_topic_prefix_is_refused(prefix: str) -> None:
    (error,) = settings_errors({"SOUTHBOUND_KAFKA__PREFIX": prefix})
    assert error.startswith("SOUTHBOUND_KAFKA__PREFIX: kafka.prefix may hold letters, digits")


@given(st.dictionaries(st.sampled_from(["kafka", "store", "worker", "log", "nope"]), CONTENT, max_size=3))
def test_any_file_loads_or_has_mistakes_with_their_lines(content: dict[str, object]) -> None:
    file = write_settings(json.dumps(content))
    errors: list[str] = []
    try:
        load_settings(file, {})
    except SettingsError as wrong:
        errors = wrong.mistakes
    assert all(mistake.startswith("mine.yaml:") for mistake in errors)


def test_every_setting_has_a_description() -> None:
    assert [
        f"{name}.{setting}"
        for name, section in sections().items()
        for setting, field in section.model_fields.items()
        if not field.description
    ] == []


def test_every_transport_that_can_be_chosen_is_known() -> None:
    assert get_args(HttpSettings.model_fields["transport"].annotation) == tuple(TRANSPORTS)


@pytest.mark.parametrize(
    ("hold", "held"),
    [
        ("", []),
        ("lifecycle", ["lifecycle"]),
        ("inbound, dispatch.fibre-lab", ["inbound", "dispatch.fibre-lab"]),
        ("dispatch", ["dispatch.fibre-lab", "dispatch.radio-lab"]),
    ],
)
def test_topics_hold_that_are_named_or_whose_kind_is(hold: str, held: list[str]) -> None:
    topics = ["lifecycle", "inbound", "dispatch.fibre-lab", "dispatch.radio-lab"]
    settings = WorkerSettings(hold=hold)
    assert [topic for topic in topics if settings.holds(topic)] == held


def test_a_topic_that_cannot_hold_is_refused_with_those_that_can() -> None:
    with pytest.raises(ValidationError, match="may name lifecycle, inbound, dispatch and"):
        WorkerSettings(hold="lifecycle, results")


def test_fault_a_character_that_nobody_sees_is_refused_in_the_file_and_in_the_environment() -> None:
    (in_file,) = settings_errors({}, "kafka:\n  bootstrap: 'broker\u200b:9092'\n")
    assert "mine.yaml:2: the character U+200B stands here" in in_file
    (in_variable,) = settings_errors({"SOUTHBOUND_KAFKA__BOOTSTRAP": "broker\u2060:9092"})
    assert in_variable.startswith("SOUTHBOUND_KAFKA__BOOTSTRAP: the value contains the character U+2060")
    assert "broker" not in in_variable


@pytest.mark.parametrize(
    "text", ["worker: {drain: 300}", "worker: {drain: 30}\nkafka: {client: {max.poll.interval.ms: 20000}}"]
)
def test_fault_a_process_that_finishes_its_records_for_longer_than_kafka_waits_for_a_poll(text: str) -> None:
    (sentence,) = settings_errors({}, text)
    assert "worker drain must be less than" in sentence
    assert "max.poll.interval.ms" in sentence


@pytest.mark.parametrize(
    "text", ["worker: {drain: 299}", "worker: {drain: 300}\nkafka: {client: {max.poll.interval.ms: 600000}}"]
)
def test_records_may_take_as_long_as_kafka_waits_for_a_poll(text: str) -> None:
    assert load_settings(write_settings(text), {}).worker.drain >= 299


@pytest.mark.parametrize(
    "text", ["worker: {commit_every: .inf}", "hub: {timeout: .inf}", "store: {lock_timeout: .nan}"]
)
def test_fault_a_number_without_an_end_is_refused(text: str) -> None:
    (sentence,) = settings_errors({}, text)
    assert sentence.endswith("must be a number")


@pytest.mark.parametrize(
    ("text", "in_json"),
    [
        ("{}", True),
        ("{format: auto}", True),
        ("{format: auto, registry: 'http://registry:8081'}", False),
        ("{format: json, registry: 'http://registry:8081'}", True),
        ("{format: avro}", False),
    ],
)
def test_what_others_read_is_json_unless_there_is_a_registry_or_a_setting(text: str, *, in_json: bool) -> None:
    kafka = load_settings(write_settings(f"kafka: {text}"), {}).kafka
    assert kafka.notifies_in_json is in_json
