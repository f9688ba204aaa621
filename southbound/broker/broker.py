"""A broker that can be used, and the error if none can."""

from dataclasses import dataclass
from enum import StrEnum


class BrokerKind(StrEnum):
    """How a broker is run."""

    CONFIGURED = "configured"
    DOCKER = "docker"
    JVM = "jvm"


class BrokerUnavailableError(Exception):
    """No broker is available in this way; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that answers at `bootstrap`."""

    bootstrap: str
    kind: BrokerKind
