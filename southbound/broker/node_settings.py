"""The settings of one Kafka node that is broker and controller at once."""

from collections.abc import Mapping


def node_settings(*, port: int, controller_port: int, data: str, listen: str = "127.0.0.1") -> dict[str, str]:
    """Return the settings of a single node in KRaft combined mode.

    Args:
        port: the port that clients of this machine connect to.
        controller_port: the port of the controller; only the node itself connects to it.
        data: the folder of the log, as the node sees it.
        listen: the address to listen on; a container with its own network needs 0.0.0.0.
    """
    return {
        **_addresses(port, controller_port, listen),
        **_replication(),
        **_fast_timeouts(),
        "log.dirs": data,
        # A mistyped topic name must not create a topic with one partition and no retention.
        "auto.create.topics.enable": "false",
    }


def properties_text(settings: Mapping[str, str]) -> str:
    """Return settings as the text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def environment_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings as the variables that the official image reads: `log.dirs` is KAFKA_LOG_DIRS."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}


def _addresses(port: int, controller_port: int, listen: str) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _replication() -> dict[str, str]:
    return {
        "num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
    }


def _fast_timeouts() -> dict[str, str]:
    """Return timeouts that let groups form, and a killed node come back, within a second or two."""
    return {
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.heartbeat.interval.ms": "500",
        # The controller refuses a restarted node until its old session has ended.
        "broker.session.timeout.ms": "1500",
        "broker.heartbeat.interval.ms": "300",
        "controlled.shutdown.enable": "false",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
        "log.index.size.max.bytes": str(2**20),
    }
