"""Provide the jars of one Kafka release, which Maven downloads once."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.java import find_maven
from southbound.broker.server import run_command

KAFKA_VERSION = "4.4.0"
COPY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def cache_folder() -> Path:
    """Return the folder in this user's cache that has the jars."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "southbound", f"kafka-{KAFKA_VERSION}")


def ensure_jars(report: Callable[[str], None]) -> Path:
    """Return the folder with the jars, and download them the first time.

    Raises:
        BrokerUnavailableError: Maven is missing, or cannot download them.
    """
    folder = cache_folder()
    if not folder.exists():
        maven = find_maven()
        report(f"Downloading Apache Kafka {KAFKA_VERSION} with Maven, only this time")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as fetching:
            _fetch(maven, Path(fetching, "jars"))
            _move_into_place(Path(fetching, "jars"), folder)
    return folder


def class_path(jars: Path) -> str:
    """Return all jars in a fixed order: a class-data archive is valid for one exact class path."""
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _fetch(maven: Path, folder: Path) -> None:
    pom = Path(__file__).with_name("pom.xml")
    # No colours in the log, because its end becomes part of an error message.
    output_options = ["-q", "-B", "-Dstyle.color=never"]
    properties = [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    result = run_command([maven, *output_options, "-f", pom, *properties, COPY_PLUGIN])
    if not result.ok:
        raise BrokerUnavailableError(
            f"Maven could not fetch Kafka {KAFKA_VERSION}; check the network and Maven's settings. "
            f"Output: {result.output_tail}"
        )


def _move_into_place(fetched: Path, folder: Path) -> None:
    """Move the complete folder into place in one step, so that a folder that exists is complete."""
    try:
        fetched.rename(folder)
    except OSError:
        # Another process was faster; its copy is as good as ours.
        if not folder.exists():
            raise
        shutil.rmtree(fetched, ignore_errors=True)
