"""What is known of a broker that can be used now, and how it says that it cannot be had."""

from dataclasses import dataclass
from enum import StrEnum


class BrokerKind(StrEnum):
    """Where a broker comes from."""

    CONFIGURED = "configured"
    DOCKER = "docker"
    JVM = "jvm"


class BrokerUnavailableError(Exception):
    """No broker can be had this way; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that answers."""

    bootstrap: str
    kind: BrokerKind
