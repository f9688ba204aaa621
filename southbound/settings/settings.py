"""All settings, with their defaults, read from one YAML file and the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator

from consumers.runtime.config import MAX_POLL_INTERVAL_MS
from southbound.settings.access import AccessSettings
from southbound.settings.error_messages import error_messages
from southbound.settings.hub import HubSettings
from southbound.settings.kafka_client_names import refusal
from southbound.settings.section import Section
from southbound.settings.servicenow import ServiceNowSettings
from southbound.settings.sources import (
    CONFIG_FILE_VARIABLE,
    CollectedSettings,
    KnownSettings,
    merge,
    read_environment,
    read_settings_file,
    variable_name,
)
from southbound.settings.store_address import address_error

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS = Path(__file__).parents[1] / "defaults"
DEFAULT_FILE = Path("southbound.yaml")  # in the working directory; it may be absent
MIN_KEEP_ENDED = 7  # days; see `schemas.topics`
LOCAL_KAFKA = "127.0.0.1:9092"
_POLL_INTERVAL = "max.poll.interval.ms"
# The characters that Kafka allows in a topic name, and a length that leaves room for the longest name of ours.
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,150}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,150}")


class KafkaSettings(Section):
    """The connection to Kafka."""

    bootstrap: str | None = Field(
        None, description="Kafka bootstrap servers. Unset: `demo` starts a broker, `run` uses 127.0.0.1:9092."
    )
    prefix: str = Field("", description="Prefix of every topic name, for example `snc.acme.sn_streamconnect.`.")
    group: str = Field(
        "southbound",
        description="Prefix of consumer groups; every role has its own group, such as `<group>.routing`.",
    )
    wrong_key: Literal["process", "refuse"] = Field(
        "process",
        description="What becomes of a record on `testrun.lifecycle` whose key is not the id of its root run, so that"
        " Kafka does not keep its order: `process` it (logged and counted), or `refuse` it as a dead letter.",
    )
    client: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="Settings of librdkafka, such as `security.protocol`; they override Southbound's own. Only the"
        " names that are listed below are passed on.",
    )
    password: SecretStr | None = Field(None, description="SASL password, passed to librdkafka as `sasl.password`.")
    registry: SecretStr | None = Field(
        None,
        description="URL of a Confluent-compatible schema registry, optionally with user and password."
        " Unset: single-object encoding.",
    )
    format: Literal["auto", "avro", "json"] = Field(
        "auto",
        description="Encoding of the events that other services read, on `testrun.inflight` and `testrun.results`, and"
        " of runs that are ordered over HTTP, on `testrun.lifecycle`: `json` (plain JSON with CloudEvents headers),"
        " `avro`, or `auto`: Avro if `registry` is set, else JSON.",
    )
    static_membership: bool = Field(
        default=False,
        description="Whether a process that restarts within its session (`session.timeout.ms` in `client`) keeps its"
        " partitions, without a rebalance of its groups. Every process of a role then needs an `instance` of its own.",
    )
    instance: str | None = Field(
        None,
        description="Name of this process if `static_membership` is on: it stays the same after a restart, and no"
        " other process with the same role has it. Unset: the host name, which is the pod's name in a StatefulSet.",
    )
    protocol: Literal["classic", "consumer"] = Field(
        "classic", description="Rebalance protocol: `classic` (cooperative) or `consumer` (KIP-848)."
    )
    start_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds that `southbound run` waits for Kafka; then exit code 3. Other commands wait at most 10.",
    )

    @field_validator("prefix")
    @classmethod
    def _validate_prefix(cls, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("may hold letters, digits, '.', '_' and '-', at most 150 of them, as topic names do")
        return prefix

    @field_validator("instance")
    @classmethod
    def _validate_instance(cls, instance: str | None) -> str | None:
        if instance is not None and not _INSTANCE.fullmatch(instance):
            raise ValueError("may hold letters, digits, '.', '_' and '-', 1 to 150 of them, as ids of members do")
        return instance

    @property
    def servers(self) -> str:
        """The bootstrap servers of a command that starts no broker."""
        return self.bootstrap or LOCAL_KAFKA

    @property
    def notifies_in_json(self) -> bool:
        """Whether updates and results are written in JSON."""
        return self.format == "json" or (self.format == "auto" and self.registry is None)

    def group_of(self, role: str) -> str:
        """Return the consumer group of a role."""
        return f"{self.group}.{role}"

    def overrides(self) -> dict[str, str | int | float | bool]:
        """Return the operator's settings for every librdkafka client, including the password.

        Raises:
            ValueError: one is not on the allow list; the command line reports this before, with its origin.
        """
        if refused := [sentence for name in self.client if (sentence := refusal(name))]:
            raise ValueError(f"kafka.client: {'; '.join(refused)}: remove it")
        secret = {"sasl.password": self.password.get_secret_value()} if self.password else {}
        protocol = {"group.protocol": self.protocol} if self.protocol == "consumer" else {}
        return {**self.client, **protocol, **secret}


class StoreSettings(Section):
    """The database of the run store."""

    url: SecretStr = Field(
        SecretStr("sqlite:///southbound.db"),
        description="Address of the database: `sqlite:///FILE` or `postgresql://user:secret@host/db`,"
        " or several hosts: `postgresql://user:secret@/db?host=a:5432&host=b:5432&target_session_attrs=read-write`.",
    )
    start_timeout: float = Field(30.0, gt=0, description="Seconds to wait for the database at start.")
    lock_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for other writers and for a connection before a retry."
    )
    synchronous: Literal["NORMAL", "FULL"] = Field(
        "FULL",
        description="SQLite only: `FULL` survives a power failure, for a disk flush per transaction. `NORMAL` survives"
        " only the end of the process: a run that was being sent at a power failure may be sent again.",
    )

    keep_ended: float = Field(
        30.0,
        ge=0,
        description="Days for which a request is kept after all of its runs have ended; the role `routing` deletes"
        " older ones. 0 keeps all. At least 7, the retention of `testrun.lifecycle`: the event of a run that is no"
        " longer stored would send it again.",
    )

    @field_validator("keep_ended")
    @classmethod
    def _validate_keep_ended(cls, days: float) -> float:
        if 0 < days < MIN_KEEP_ENDED:
            raise ValueError(f"must be 0 (keep all) or at least {MIN_KEEP_ENDED}, for which lifecycle events are kept")
        return days

    @field_validator("url")
    @classmethod
    def _validate_url(cls, url: SecretStr) -> SecretStr:
        if error := address_error(url.get_secret_value()):
            raise ValueError(error)
        return url


class RoutingSettings(Section):
    """The tables and profiles that decide what is sent and where, and the limits of a request."""

    tables: Literal["files", "topic"] = Field(
        "files",
        description="`files`: decide by the two files below, read at start. `topic`: decide by the tables that"
        " `southbound tables publish` made live, followed without a restart.",
    )
    policy: Path = Field(
        DEFAULTS / "tables/outbound-policy.yaml", description="File of the outbound policy, if `tables` is `files`."
    )
    selector: Path = Field(
        DEFAULTS / "tables/spoke-selector.yaml", description="File of the spoke selector, if `tables` is `files`."
    )
    policy_id: str = Field(
        "outbound-policy", description="Id of the published outbound policy, if `tables` is `topic`."
    )
    selector_id: str = Field(
        "spoke-selector", description="Id of the published spoke selector, if `tables` is `topic`."
    )
    spokes: Path = Field(DEFAULTS / "spokes", description="Folder of spoke profiles, one YAML file each.")
    specifications: Literal["none", "topic"] = Field(
        "none",
        description="`topic`: runs take measures, their ids, units, thresholds and expected duration from the test"
        " specifications that `southbound specs apply` wrote, followed without a restart. `none`: they take nothing.",
    )
    unknown_specification: Literal["accept", "warn", "refuse"] = Field(
        "accept",
        description="What is done with a run whose test specification is not known, if `specifications` is `topic`:"
        " `accept` it as it is, `warn` (a log line and a metric), or `refuse` it (a dead letter).",
    )
    max_runs: int = Field(500, ge=1, description="Largest number of runs in one hierarchical request.")
    max_depth: int = Field(10, ge=1, description="Deepest level of a hierarchical request.")
    children_deadline: float = Field(
        300.0,
        gt=0,
        description="Seconds for which a request waits for children; `missing_children` says what follows.",
    )
    missing_children: Literal["fall_out", "send_what_is_there", "cancel"] = Field(
        "fall_out",
        description="What follows if children have not arrived by then. `fall_out`: the request is given up, and sent"
        " if they arrive later. `send_what_is_there`: it is sent without them and their descendants, and its result"
        " names them. `cancel`: it is cancelled.",
    )

    @field_validator("unknown_specification")
    @classmethod
    def _validate_unknown_specification(cls, unknown: str, info: ValidationInfo) -> str:
        if unknown != "accept" and info.data.get("specifications") == "none":
            raise ValueError("needs routing.specifications: topic, because without it no specification is known")
        return unknown


_HELD_TOPIC = re.compile(r"lifecycle|inbound|dispatch(\.[\w.-]+)?")


class WorkerSettings(Section):
    """How many records are processed at once, and how a worker stops."""

    max_in_flight: int = Field(256, ge=1, description="Largest number of records that a role processes at once.")
    commit_every: float = Field(1.0, gt=0, description="Seconds between commits.")
    drain: float = Field(20.0, gt=0, description="Seconds for records under way to finish at a stop or rebalance.")
    stuck_after: float = Field(
        300.0,
        gt=0,
        description="Seconds after which a record that does not finish is logged, once, with the reason"
        " (`RECORD_STUCK`).",
    )
    hold: str = Field(
        "",
        description="Topics on which later records of a key wait behind its dead letter until that is redriven or "
        "dropped, separated by commas: `lifecycle`, `inbound`, `dispatch` or `dispatch.<spoke>`. Elsewhere they "
        "continue.",
    )

    @field_validator("hold")
    @classmethod
    def _validate_hold(cls, hold: str) -> str:
        if not all(_HELD_TOPIC.fullmatch(topic) for topic in hold.replace(",", " ").split()):
            raise ValueError("may name lifecycle, inbound, dispatch and dispatch.<spoke>, separated by commas")
        return hold

    def holds(self, topic: str) -> bool:
        """Return whether later records of a key wait on a topic, by its name without prefix and `testrun.`."""
        named = self.hold.replace(",", " ").split()
        return topic in named or topic.partition(".")[0] in named


class WritebackSettings(Section):
    """The systems whose tables of test runs are kept up to date."""

    targets: Path | None = Field(
        None,
        description="Folder of the profiles of targets, one YAML file each: [connect a ServiceNow instance]"
        "(how-to/connect-a-servicenow-instance.md). Unset: the role `writeback` does nothing.",
    )


class StreamSettings(Section):
    """Topics of other clusters, such as ServiceNow's Stream Connect."""

    sources: Path | None = Field(
        None,
        description="Folder of the profiles of [topics that runs are ordered on](streams.md), one YAML file each, for"
        " the role `ingress`. Unset: the role does nothing.",
    )
    destinations: Path | None = Field(
        None,
        description="Folder of the profiles of [topics to which results are copied](streams.md), one YAML file each,"
        " for the role `egress`. Unset: the role does nothing.",
    )
    longest_outage: float = Field(
        24.0,
        gt=0,
        description="Hours for which the role `ingress` may be down without a loss: a topic that keeps its records for"
        " a shorter time is warned about. Hermes keeps them for 36 hours.",
    )


class HttpSettings(Section):
    """The HTTP client that calls external systems."""

    transport: Literal["connection", "session"] = Field(
        "connection",
        description="`connection` writes requests on aiohttp's connections. `session` uses aiohttp's `ClientSession`:"
        " it behaves the same and costs more CPU; use it with a version of aiohttp that `connection` does not support.",
    )


class ListenerSettings(Section):
    """The address of the HTTP server that receives callbacks."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8700, ge=0, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9\[][^\s?#@]*[^/\s?#@]$",
        max_length=1000,
        description="Address at which external systems reach the listener, such as `https://callbacks.example.org`:"
        " what is registered at hubs begins with it (`hub.register` of a profile).",
    )


class ApiSettings(Section):
    """The northbound interface, on which runs are ordered over HTTP."""

    enabled: bool = Field(default=False, description="Whether `southbound run` without roles runs the role `api`, too.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8710, ge=0, le=65535, description="Port to listen on.")
    version: Literal["4.1", "4.2"] = Field(
        "4.1", description="Version of TMF653 as which the paths below `/v4` behave; those below `/v5` behave as 5.0."
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+[^/\s]$",
        description="What goes before the paths in `href`, such as `https://tests.example.org`. Unset: the address that"
        " the client called.",
    )
    max_body: int = Field(
        512 * 1024,
        ge=1024,
        le=900_000,
        description="Largest body in bytes; an order has to fit into one Kafka message.",
    )
    page: int = Field(20, ge=1, le=1_000, description="Number of runs in a list if the client sets no `limit`.")
    max_page: int = Field(100, ge=1, le=1_000, description="Largest number of runs in a list.")
    publish_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds to wait for Kafka's acknowledgement of an order; after that the answer is 202, and the"
        " order is published later.",
    )


class HealthSettings(Section):
    """The address of the health probes, the metrics and the state of the workers."""

    host: str = Field("127.0.0.1", description="Address of /health/live, /health/ready, /metrics and /debug/lanes.")
    port: int = Field(
        8709, ge=0, le=65535, description="Port of /health/live, /health/ready, /metrics and /debug/lanes."
    )
    debug: Literal["loopback", "anyone"] = Field(
        "loopback",
        description="Whose requests for /debug/lanes are answered, on any address: those from the same machine, or"
        " all. It names runs and the errors of external systems.",
    )


class LogSettings(Section):
    """The logs on standard error."""

    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal and `json` otherwise."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is written.")


class BrokerSettings(Section):
    """The local Kafka of `southbound demo` and `southbound broker`."""

    image: str = Field("apache/kafka:4.4.0", description="Image to run if a Docker engine responds.")


class Settings(Section):
    """All settings. Environment variables win over the file: `SOUTHBOUND_KAFKA__BOOTSTRAP=host:9092`."""

    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    routing: RoutingSettings = RoutingSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    writeback: WritebackSettings = WritebackSettings()
    streams: StreamSettings = StreamSettings()
    listener: ListenerSettings = ListenerSettings()
    hub: HubSettings = HubSettings()
    api: ApiSettings = ApiSettings()
    servicenow: ServiceNowSettings = ServiceNowSettings()
    access: AccessSettings = AccessSettings()
    health: HealthSettings = HealthSettings()
    log: LogSettings = LogSettings()
    broker: BrokerSettings = BrokerSettings()

    @field_validator("worker")
    @classmethod
    def _validate_drain(cls, worker: WorkerSettings, info: ValidationInfo) -> WorkerSettings:
        # Nothing is polled while records finish; Kafka gives the partitions to another process after this interval.
        kafka: KafkaSettings | None = info.data.get("kafka")
        interval = (kafka.client if kafka is not None else {}).get(_POLL_INTERVAL, MAX_POLL_INTERVAL_MS)
        if isinstance(interval, int) and worker.drain * 1000 >= interval:
            raise ValueError(
                f"drain must be less than {interval / 1000:g}: after as many seconds ({_POLL_INTERVAL} of "
                "kafka.client) Kafka gives the partitions to another process, while this one still finishes records"
            )
        return worker


class SettingsError(Exception):
    """Settings are wrong; `mistakes` has one sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, with the origin of each."""

    settings: Settings
    collected: CollectedSettings

    def origin(self, section: str, name: str) -> str:
        """Return the origin of a setting: a variable, a file with its line, or `default`."""
        return self.collected.origin(section, name) if self.collected.has(section, name) else "default"


def sections() -> dict[str, type[Section]]:
    """Return the classes of the groups of settings by name."""
    return {name: type(field.default) for name, field in Settings.model_fields.items()}


def load_settings(config: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file (`config`, else that of SOUTHBOUND_CONFIG, else ./southbound.yaml) and the environment.

    Raises:
        SettingsError: with every mistake of the file and the environment.
    """
    return load_with_origins(config, environment).settings


def load_with_origins(config: Path | None, environment: Mapping[str, str]) -> LoadedSettings:
    """Load the settings as `load_settings` does, with the origin of each.

    Raises:
        SettingsError: with every mistake of the file and the environment.
    """
    known = _known_settings()
    collected = _collect(config, environment, known)
    return LoadedSettings(settings=_validate(collected.values, collected, known), collected=collected)


def load_settings_for_files(config: Path | None, environment: Mapping[str, str]) -> Settings:
    """Load the settings as `load_settings` does, but those of Kafka as they are by default, whatever is written.

    For commands on files: they must work, and be safe, in a folder whose settings somebody else wrote.

    Raises:
        SettingsError: with every mistake of the other settings.
    """
    known, kafka = _known_settings(), variable_name("kafka", "")
    rest = {name: value for name, value in environment.items() if not name.startswith(kafka)}
    collected = _collect(config, rest, known)
    values = {section: value for section, value in collected.values.items() if section != "kafka"}
    return _validate(values, collected, known)


def _collect(config: Path | None, environment: Mapping[str, str], known: KnownSettings) -> CollectedSettings:
    file = _settings_file(config, environment)
    in_file = read_settings_file(file, known) if file else CollectedSettings()
    return merge(in_file, read_environment(environment, known))


def _validate(values: Mapping[str, object], collected: CollectedSettings, known: KnownSettings) -> Settings:
    mistakes = list(collected.mistakes)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(mistakes + error_messages(error, collected, known)) from None
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _settings_file(config: Path | None, environment: Mapping[str, str]) -> Path | None:
    from_environment = environment.get(CONFIG_FILE_VARIABLE)
    file = config or (Path(from_environment) if from_environment else None)
    if file is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not file.is_file():
        origin = "--config" if config else CONFIG_FILE_VARIABLE
        raise SettingsError([f"{origin}: there is no file {file}: correct the path"])
    return file


def _known_settings() -> KnownSettings:
    fields = {
        (section_name, name): field
        for section_name, section in sections().items()
        for name, field in section.model_fields.items()
    }
    return KnownSettings(
        sections={name: tuple(section.model_fields) for name, section in sections().items()},
        maps=frozenset(
            key for key, field in fields.items() if isinstance(field.get_default(call_default_factory=True), dict)
        ),
        paths=frozenset(key for key, field in fields.items() if field.annotation in (Path, Path | None)),
    )
