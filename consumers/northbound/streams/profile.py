"""The profiles of streams: a source is a topic that runs are ordered on, a destination has topics for results."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from consumers.spokes.credentials import SecretReference, fetch_secret
from consumers.spokes.profile import KnownState, NamedProfile, check_spoke_name
from consumers.spokes.profile_loader import ProfileKind, load_profiles_of
from schemas.text.json_pointer import is_pointer
from schemas.text.time_zones import check_time_zone
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAX_TOPIC_LENGTH = 249  # characters, in Kafka
HERMES_PREFIX = "snc."
MAX_HERMES_LENGTH = 200  # characters of a topic name in ServiceNow's Hermes
_MAX_CLUSTERS = 4
_TOPIC = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_TOPIC_LENGTH}}}")
_HERMES_COMPRESSION = ("gzip", "lz4", "none")
_HERMES_TOPIC = re.compile(r"snc\.[^.]+(\.[^.]+)?\.sn_[^.]+\.[^.]+")
_ADDRESSES = re.compile(r"[^\s,:]+:[0-9]{1,5}(,\s*[^\s,:]+:[0-9]{1,5})*|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")
_TIME = re.compile(r"header:[!-~]{1,200}|(/.*)")
_CLIENT_VALUE = str | int | float | bool
_ORDERING_STATES: frozenset[KnownState] = frozenset({RunState.ACKNOWLEDGED, RunState.PENDING})


class StreamFormat(StrEnum):
    """What the records of a source are."""

    CLOUDEVENTS = "cloudevents"
    TMF653 = "tmf653"
    CHANGE_DATA = "change-data"


def _check_topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError(f"may hold letters, digits, '.', '_' and '-', at most {MAX_TOPIC_LENGTH} of them")
    if not name.startswith(HERMES_PREFIX):
        return name
    if len(name) > MAX_HERMES_LENGTH or not _HERMES_TOPIC.fullmatch(name):
        raise ValueError(
            "a topic of Hermes is snc.<instance>.<namespace>.sn_<application>.<topic> (the namespace is optional), "
            f"at most {MAX_HERMES_LENGTH} characters"
        )
    return name


def _check_addresses(text: str) -> str:
    if not _ADDRESSES.fullmatch(text):
        raise ValueError("must be host:port, or several of one cluster separated by commas")
    return text


def _check_pointer(pointer: str) -> str:
    if not is_pointer(pointer):
        raise ValueError(
            "must be a JSON pointer, which begins with '/' and has '~' only in '~0' and '~1',"
            " or empty for the whole value"
        )
    return pointer


TopicName = Annotated[str, AfterValidator(_check_topic)]
Addresses = Annotated[str, AfterValidator(_check_addresses)]
JsonPointer = Annotated[str, Field(max_length=500), AfterValidator(_check_pointer)]


class StreamProfile(NamedProfile):
    """How to reach the Kafka of a stream."""

    noun: ClassVar[str] = "stream"

    name: Annotated[str, AfterValidator(check_spoke_name)] = Field(
        description="Name of the stream: in its consumer group, in metrics and in dead letters."
    )
    client: dict[str, _CLIENT_VALUE] = Field(
        default_factory=dict,
        max_length=100,
        description="Settings of librdkafka for this stream, such as `security.protocol`, of the names that"
        " `kafka.client` may have. Without `bootstrap` they are added to those of `kafka.client`.",
    )
    secrets: dict[str, SecretReference] = Field(
        default_factory=dict,
        max_length=20,
        description="Settings of librdkafka that are secret, such as `ssl.keystore.password`, each with where its"
        " value is: `env:NAME` or `file:PATH`.",
    )

    def overrides(self, environment: Mapping[str, str]) -> dict[str, _CLIENT_VALUE]:
        """Return the settings of librdkafka with the secrets.

        Raises:
            SecretMissingError: one is not there.
        """
        found = {name: fetch_secret(reference, environment) for name, reference in self.secrets.items()}
        return {**self.client, **{name: secret.get_secret_value() for name, secret in found.items()}}


class StreamSource(StreamProfile):
    """A topic on which another system orders runs. Every field but `name` and `topic` has a default."""

    noun: ClassVar[str] = "source"

    bootstrap: tuple[Addresses, ...] = Field(
        default=(),
        max_length=_MAX_CLUSTERS,
        description="The bootstrap servers of each cluster that has the topic: one text per cluster, Hermes has two."
        " Empty: the topic is on the cluster of `kafka.bootstrap`.",
    )
    topic: TopicName = Field(description="The full name of the topic. Southbound does not create it.")
    group: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The consumer group. None: `<kafka.group>.ingress.<name>`, and for a topic of Hermes"
        " `snc.<instance>.` before it.",
    )
    format: StreamFormat = Field(
        default=StreamFormat.TMF653,
        description="`cloudevents`: events of Southbound, copied as they are. `tmf653`: a `ServiceTest` as JSON."
        " `change-data`: messages of ServiceNow's Stream Producer, after which the run is read with a GET.",
    )
    tenant: str | None = Field(
        default=None,
        min_length=1,
        description="The tenant of all runs that are ordered here; the source changes no run of another one. None: runs"
        " have no tenant, and the source can change every run.",
    )
    orders: frozenset[KnownState] = Field(
        default=_ORDERING_STATES,
        description="States in which a run that is not known is ordered; in another one it is ignored. A `ServiceTest`"
        " without `state` orders its run.",
    )
    body: JsonPointer = Field(
        default="", description="`tmf653`: where the `ServiceTest` is in the value, as a JSON pointer (RFC 6901)."
    )
    time: str | None = Field(
        default=None,
        max_length=500,
        description="`tmf653`: where the moment of the event is, as a JSON pointer into the value or as"
        " `header:<name>`: a date-time, or milliseconds since 1970. By it an event that was overtaken is ignored."
        " None: the time of the record if there are several clusters, else the order of the topic.",
    )
    time_zone: str = Field(
        default="UTC", description="`tmf653`: time zone of date-times that carry none, such as `Europe/Berlin`."
    )
    target: str | None = Field(
        default=None,
        description="`change-data`: the name of the profile in `writeback.targets` with which a run is read.",
    )
    run_id: JsonPointer = Field(
        default="/sys_id",
        description="`change-data`: where the id of the run is in the value, as a JSON pointer. For a table whose"
        " records belong to a run it is the field that refers to the run.",
    )
    action_header: str = Field(
        default="action",
        min_length=1,
        max_length=200,
        description="`change-data`: the header that says `insert`, `update` or `delete`.",
    )

    @field_validator("time")
    @classmethod
    def _check_time(cls, time: str | None) -> str | None:
        is_place = time is None or (_TIME.fullmatch(time) and (time.startswith("header:") or is_pointer(time)))
        if not is_place:
            raise ValueError("must be a JSON pointer such as /sys_updated_on, or header:<name>")
        return time

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        return check_time_zone(name)

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        reads_runs = self.format is StreamFormat.CHANGE_DATA
        if reads_runs != (self.target is not None):
            raise ValueError("change-data needs 'target', and no other format has it")
        if self.format is StreamFormat.CLOUDEVENTS and self.tenant is not None:
            raise ValueError("events of Southbound name their tenant: remove 'tenant', or use another format")
        if self.group is not None and (prefix := hermes_group_prefix(self.topic)) and not self.group.startswith(prefix):
            raise ValueError(f"a consumer group of Hermes begins with the name of the instance: {prefix}")
        return self

    def group_of(self, groups: str) -> str:
        """Return the consumer group; `groups` is `kafka.group`."""
        return self.group or f"{hermes_group_prefix(self.topic)}{groups}.ingress.{self.name}"


class StreamDestination(StreamProfile):
    """Topics of another cluster to which results and updates are copied."""

    noun: ClassVar[str] = "destination"

    bootstrap: Addresses | None = Field(
        default=None,
        description="The bootstrap servers of its cluster. None: the topics are on the cluster of `kafka.bootstrap`.",
    )
    results: TopicName | None = Field(
        default=None, description="The full name of the topic to which `testrun.results` is copied. None: it is not."
    )
    inflight: TopicName | None = Field(
        default=None, description="The full name of the topic to which `testrun.inflight` is copied. None: it is not."
    )

    tenants: frozenset[str] = Field(
        default=frozenset(),
        max_length=1_000,
        description="Only what is published about runs of these tenants is copied; what has no run in the run store is"
        " not. Empty: everything is copied.",
    )

    @model_validator(mode="after")
    def _has_a_topic(self) -> Self:
        if self.results is None and self.inflight is None:
            raise ValueError("needs 'results' or 'inflight', or both")
        return self

    @model_validator(mode="after")
    def _is_compressed_as_hermes_takes_it(self) -> Self:
        is_hermes = any(
            topic is not None and topic.startswith(HERMES_PREFIX) for topic in (self.results, self.inflight)
        )
        for name in ("compression.type", "compression.codec"):
            if is_hermes and self.client.get(name, "lz4") not in _HERMES_COMPRESSION:
                raise ValueError(f"'{name}' in 'client' must be gzip, lz4 or none: a topic of Hermes takes no other")
        return self


def hermes_group_prefix(topic: str) -> str:
    """Return how the consumer groups of a topic of Hermes begin; empty for another topic."""
    return f"{HERMES_PREFIX}{topic.split('.')[1]}." if topic.startswith(HERMES_PREFIX) else ""


_SOURCES = ProfileKind(model=StreamSource, required="'name' and 'topic'")
_DESTINATIONS = ProfileKind(model=StreamDestination, required="'name' and 'results' or 'inflight'")


def load_sources(paths: Iterable[Path]) -> tuple[StreamSource, ...]:
    """Return one source from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files, each as `file:line: source 'x', field 'y': …`.
    """
    return load_profiles_of(_SOURCES, paths)


def load_destinations(paths: Iterable[Path]) -> tuple[StreamDestination, ...]:
    """Return one destination from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files, each as `file:line: destination 'x', field 'y': …`.
    """
    return load_profiles_of(_DESTINATIONS, paths)
