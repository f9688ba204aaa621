"""Find a Java that can run Kafka, or name the package that provides one."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.server import run_command

MINIMUM_RELEASE = 17
ALTERNATIVES = (
    "install it with `apt-get install default-jre-headless maven`, start a Docker engine, "
    "or set SOUTHBOUND_KAFKA__BOOTSTRAP to a running broker."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """An installed Java."""

    path: Path
    version: str

    @property
    def release(self) -> int:
        """The feature release: 17 for "17.0.15", 8 for "1.8.0"; 0 if the version is unknown."""
        numbers = [int(number) for number in re.findall(r"\d+", self.version)]
        return (numbers[1:] if numbers[:1] == [1] else numbers or [0])[0]


def find_java() -> Java:
    """Return a Java of version 17 or newer.

    Raises:
        BrokerUnavailableError: there is none, or it is too old.
    """
    path = _find_program("java")
    if path is None:
        raise BrokerUnavailableError(
            f"A local Kafka needs Java {MINIMUM_RELEASE} or newer; no Java is installed: {ALTERNATIVES}."
        )
    java = Java(path=path, version=parse_version(run_command([path, "-version"]).output))
    if java.release < MINIMUM_RELEASE:
        raise BrokerUnavailableError(
            f"A local Kafka needs Java {MINIMUM_RELEASE} or newer; {path} is Java {java.version}: {ALTERNATIVES}"
        )
    return java


def find_maven() -> Path:
    """Return the path of Maven.

    Raises:
        BrokerUnavailableError: Maven is not installed.
    """
    path = shutil.which("mvn")
    if path is None:
        raise BrokerUnavailableError(f"A local Kafka needs Maven once, to download its jars: {ALTERNATIVES}")
    return Path(path)


def parse_version(text: str) -> str:
    """Return the version in the output of `java -version`, or `unknown`."""
    match = re.search(r'version "([^"]+)"', text)
    return match.group(1) if match else "unknown"


def _find_program(name: str) -> Path | None:
    java_home = os.environ.get("JAVA_HOME")
    in_java_home = Path(java_home, "bin", name) if java_home else None
    if in_java_home and os.access(in_java_home, os.X_OK):
        return in_java_home
    on_path = shutil.which(name)
    return Path(on_path) if on_path else None
