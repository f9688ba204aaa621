"""Have the jars of one Kafka release on this machine, fetched once by Maven."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.java import find_maven
from southbound.broker.server import run_command

KAFKA = "4.4.0"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def cache_folder() -> Path:
    """Name the folder of this user where the jars are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "southbound", f"kafka-{KAFKA}")


def have_jars(say: Callable[[str], None]) -> Path:
    """Return the folder with the jars; the first time they are fetched.

    Raises:
        BrokerUnavailableError: Maven is missing, or cannot fetch them.
    """
    folder = cache_folder()
    if not folder.exists():
        maven = find_maven()
        say(f"Fetching Apache Kafka {KAFKA} with Maven, this once")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as fetching:
            _fetch(maven, Path(fetching, "jars"))
            _put(Path(fetching, "jars"), folder)
    return folder


def class_path(jars: Path) -> str:
    """Name every jar in a fixed order, because a class-data archive is valid for one exact class path."""
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _fetch(maven: Path, into: Path) -> None:
    pom = Path(__file__).with_name("pom.xml")
    # A colourless log, because its end becomes part of an error message.
    quiet = ["-q", "-B", "-Dstyle.color=never"]
    wanted = [f"-Dkafka.version={KAFKA}", f"-DoutputDirectory={into}", "-DincludeScope=runtime"]
    done = run_command([maven, *quiet, "-f", pom, *wanted, COPY])
    if not done.ok:
        raise BrokerUnavailableError(
            f"Maven could not fetch Kafka {KAFKA}; check the network and Maven's settings. It said: {done.last_words}"
        )


def _put(fetched: Path, folder: Path) -> None:
    """Move a complete folder into place in one step, so that a folder that exists is complete."""
    try:
        fetched.rename(folder)
    except OSError:
        # Another process was faster; its copy is as good as ours.
        if not folder.exists():
            raise
        shutil.rmtree(fetched, ignore_errors=True)
