"""Find a Java that can run Kafka, or say which package brings one."""

import os
import re
import shutil
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.commands import run_command

OLDEST = 17
WAYS_OUT = (
    "install it with `apt-get install openjdk-17-jre-headless maven`, start a Docker engine, "
    "or set SOUTHBOUND_KAFKA__BOOTSTRAP to a broker that runs"
)


def find_java() -> Path:
    """Give the path of a Java of version 17 or newer.

    Raises:
        BrokerUnavailableError: there is none, or it is too old.
    """
    java = _on_this_machine("java")
    if java is None:
        raise BrokerUnavailableError(
            f"A local Kafka needs Java {OLDEST} or newer and there is none: {WAYS_OUT}."
        )
    version = java_version(java)
    if version < OLDEST:
        raise BrokerUnavailableError(
            f"A local Kafka needs Java {OLDEST} or newer; {java} is Java {version}: {WAYS_OUT}."
        )
    return java


def find_maven() -> Path:
    """Give the path of Maven.

    Raises:
        BrokerUnavailableError: there is none.
    """
    found = shutil.which("mvn")
    if found is None:
        raise BrokerUnavailableError(f"A local Kafka needs Maven once, to fetch its jars: {WAYS_OUT}.")
    return Path(found)


def java_version(java: Path) -> int:
    """Ask a Java for its feature release, 17 say; 0 when it does not tell."""
    return read_version(run_command([java, "-version"]).said)


def read_version(text: str) -> int:
    """Read the feature release from what `java -version` prints."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else 0


def _on_this_machine(name: str) -> Path | None:
    home = os.environ.get("JAVA_HOME")
    at_home = Path(home, "bin", name) if home else None
    if at_home and os.access(at_home, os.X_OK):
        return at_home
    found = shutil.which(name)
    return Path(found) if found else None
