"""Read who is a member of consumer groups, and which partitions each member holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.readiness import KafkaNotReadyError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One member of a group. `instance` is its static id, if it has one."""

    member_id: str
    client_id: str
    host: str
    instance: str | None
    partitions: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembers:
    """The members of a group. `state` is Kafka's word, such as `stable`; `problem`: why they are not known."""

    group: str
    state: str = ""
    members: tuple[GroupMember, ...] = ()
    problem: str = ""

    def holder(self, topic: str, partition: int) -> GroupMember | None:
        """Return the member that holds a partition."""
        return next((member for member in self.members if (topic, partition) in member.partitions), None)


def list_groups(settings: Mapping[str, object]) -> list[str]:
    """Return the names of the consumer groups that Kafka knows and shows to this client.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    admin = AdminClient({**settings, "log_level": 0})  # type: ignore[dict-item] # values of any kind
    try:
        listed = admin.list_consumer_groups(request_timeout=TIMEOUT).result(TIMEOUT)
    except KafkaException as error:
        raise KafkaNotReadyError(sentence_for(error.args[0], "the list of consumer groups")) from error
    return [group.group_id for group in listed.valid]


def read_members(settings: Mapping[str, object], groups: Collection[str]) -> dict[str, GroupMembers]:
    """Return the members of these groups; a group that does not exist has none.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    if not groups:
        return {}
    client: dict[str, Any] = {**settings, "log_level": 0}
    admin = AdminClient(client)
    requests = admin.describe_consumer_groups([*groups], request_timeout=TIMEOUT)
    return {group: _members(group, request) for group, request in requests.items()}


def _members(group: str, request: Any) -> GroupMembers:  # noqa: ANN401 - a future that confluent-kafka does not type
    try:
        described = request.result(TIMEOUT)
    except KafkaException as error:
        sentence = sentence_for(error.args[0], f"consumer group {group}")
        if error.args[0].code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:  # noqa: SLF001 - librdkafka's spelling
            raise KafkaNotReadyError(sentence) from error
        return GroupMembers(group=group, problem=sentence)
    return GroupMembers(
        group=group,
        state=described.state.name.lower(),
        members=tuple([_member(member) for member in described.members]),
    )


def _member(member: Any) -> GroupMember:  # noqa: ANN401 - as above
    held = member.assignment.topic_partitions if member.assignment else ()
    return GroupMember(
        member_id=member.member_id,
        client_id=member.client_id,
        host=member.host.removeprefix("/"),
        instance=member.group_instance_id or None,
        partitions=frozenset((partition.topic, partition.partition) for partition in held),
    )
