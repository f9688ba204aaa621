"""Have the jars of one Kafka release on this machine, fetched once by Maven."""

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
    """Name the folder of this user where the jars are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "southbound", f"kafka-{KAFKA_VERSION}")


def ensure_jars(report: Callable[[str], None]) -> Path:
    """Return the folder with the jars; the first time they are fetched.

    Raises:
        BrokerUnavailableError: Maven is missing, or cannot fetch them.
    """
    folder = cache_folder()
    if not folder.exists():
        maven = find_maven()
        report(f"Fetching Apache Kafka {KAFKA_VERSION} with Maven, this once")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as fetching:
            _fetch(maven, Path(fetching, "jars"))
            _move_into_place(Path(fetching, "jars"), folder)
    return folder


def class_path(jars: Path) -> str:
    """Name every jar in a fixed order, because a class-data archive is valid for one exact class path."""
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _fetch(maven: Path, folder: Path) -> None:
    pom = Path(__file__).with_name("pom.xml")
    # A colourless log, because its end becomes part of an error message.
    output_options = ["-q", "-B", "-Dstyle.color=never"]
    properties = [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    result = run_command([maven, *output_options, "-f", pom, *properties, COPY_PLUGIN])
    if not result.ok:
        raise BrokerUnavailableError(
            f"Maven could not fetch Kafka {KAFKA_VERSION}; check the network and Maven's settings. "
            f"It said: {result.output_tail}"
        )


def _move_into_place(fetched: Path, folder: Path) -> None:
    """Move a complete folder into place in one step, so that a folder that exists is complete."""
    try:
        fetched.rename(folder)
    except OSError:
        # Another process was faster; its copy is as good as ours.
        if not folder.exists():
            raise
        shutil.rmtree(fetched, ignore_errors=True)
