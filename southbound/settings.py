"""Every setting, with its default, from one YAML file and the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

DEFAULTS = Path(__file__).parent / "defaults"
FILE_VARIABLE = "SOUTHBOUND_CONFIG"
LOCAL_KAFKA = "127.0.0.1:9092"


class Section(BaseModel):
    """A group of settings; a typing error in a name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Section):
    """Where events come from and go to."""

    bootstrap: str | None = Field(
        None, description="Kafka bootstrap servers. Unset: `demo` starts a broker, `run` uses 127.0.0.1:9092."
    )
    prefix: str = Field("", description="Put before every topic name, for example `snc.acme.sn_streamconnect.`.")
    group: str = Field("southbound", description="Consumer group prefix; every role has its own group under it.")
    client: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="Settings for librdkafka, such as `security.protocol`; they win over ours.",
    )
    password: SecretStr | None = Field(None, description="SASL password; goes to librdkafka as `sasl.password`.")
    registry: str | None = Field(
        None, description="URL of a Confluent-compatible schema registry. Unset: single-object encoding."
    )
    protocol: Literal["classic", "consumer"] = Field(
        "classic", description="Rebalance protocol: `classic` (cooperative) or `consumer` (KIP-848)."
    )
    start_timeout: float = Field(
        60.0, gt=0, description="Seconds to wait for Kafka at start before giving up with exit code 3."
    )

    @property
    def servers(self) -> str:
        """The bootstrap servers to use when nobody starts a broker for us."""
        return self.bootstrap or LOCAL_KAFKA

    def overrides(self) -> dict[str, str | int | float | bool]:
        """What every librdkafka client is told beyond our defaults, the password included."""
        secret = {"sasl.password": self.password.get_secret_value()} if self.password else {}
        protocol = {"group.protocol": self.protocol} if self.protocol == "consumer" else {}
        return {**self.client, **protocol, **secret}


class Store(Section):
    """The run store."""

    url: SecretStr = Field(
        SecretStr("sqlite+aiosqlite:///southbound.db"),
        description="SQLAlchemy URL: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://user:secret@host/db`.",
    )
    start_timeout: float = Field(30.0, gt=0, description="Seconds to wait for the database at start.")


class Routing(Section):
    """What is sent, and where."""

    policy: Path = Field(DEFAULTS / "tables/outbound-policy.yaml", description="The outbound policy table.")
    selector: Path = Field(DEFAULTS / "tables/spoke-selector.yaml", description="The spoke selector table.")
    spokes: Path = Field(DEFAULTS / "spokes", description="Folder of spoke profiles, one YAML file each.")
    max_runs: int = Field(500, ge=1, description="Most runs in one hierarchical request.")
    max_depth: int = Field(10, ge=1, description="Deepest level of a hierarchical request.")
    children_deadline: float = Field(
        300.0, gt=0, description="Seconds a root waits for children that arrive as their own events."
    )


class Worker(Section):
    """How much is done at once, and how a stop goes."""

    max_in_flight: int = Field(256, ge=1, description="Most records a role works on at once.")
    commit_every: float = Field(1.0, gt=0, description="Seconds between commits.")
    drain: float = Field(20.0, gt=0, description="Seconds that records under way get to finish at a stop or rebalance.")


class Listener(Section):
    """Where external systems send their notifications."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8700, ge=0, le=65535, description="Port to listen on.")


class Health(Section):
    """Where probes and Prometheus look."""

    host: str = Field("127.0.0.1", description="Address of /health/live, /health/ready and /metrics.")
    port: int = Field(8709, ge=0, le=65535, description="Port of /health/live, /health/ready and /metrics.")


class Log(Section):
    """What is written to standard error."""

    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is console on a terminal and JSON elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")


class Broker(Section):
    """The local Kafka of `southbound demo` and `southbound broker`."""

    image: str = Field("apache/kafka:4.4.0", description="Image to run where a Docker engine answers.")


class Settings(BaseSettings):
    """All settings. Environment variables win over the file: `SOUTHBOUND_KAFKA__BOOTSTRAP=host:9092`."""

    model_config = SettingsConfigDict(
        env_prefix="SOUTHBOUND_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    kafka: Kafka = Kafka()
    store: Store = Store()
    routing: Routing = Routing()
    worker: Worker = Worker()
    listener: Listener = Listener()
    health: Health = Health()
    log: Log = Log()
    broker: Broker = Broker()

    @classmethod
    def settings_customise_sources(  # noqa: D102 - pydantic-settings calls it
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env: one file and the environment
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(FILE_VARIABLE)
        if not file:
            return (init_settings, env_settings)
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls, file, yaml_file_encoding="utf-8"))


class SettingsError(Exception):
    """Settings are wrong; `mistakes` has one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
