"""Ask a process what its workers do (`/debug/lanes`)."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from pydantic import ValidationError

from southbound.exit_codes import invalid_input
from southbound.service.lanes_report import LanesReport

if TYPE_CHECKING:
    from southbound.operations.why.groups import PartitionPlace
    from southbound.service.lanes_report import PartitionReport, RecordReport, WorkerReport
    from southbound.settings.settings import HealthSettings

TIMEOUT = 3.0  # seconds
_MAX_BYTES = 32 * 2**20
_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


class ProcessView:
    """What one process says of its workers; `problem` is the sentence why it says nothing."""

    def __init__(self, report: LanesReport | None, problem: str = "") -> None:
        self.report = report
        self.problem = problem

    def worker_of(self, place: PartitionPlace) -> WorkerReport | None:
        """Return the worker that holds a partition, if one of this process does."""
        role, topic, partition = place
        workers = self.report.workers if self.report else ()
        return next((w for w in workers if w.role == role and _partition_of(w, topic, partition) is not None), None)

    def partition(self, place: PartitionPlace) -> PartitionReport | None:
        """Return a partition, if this process holds it."""
        worker = self.worker_of(place)
        return _partition_of(worker, *place[1:]) if worker else None

    def lane(self, topic: str) -> RecordReport | None:
        """Return the first unfinished record of the key that was asked for, on a topic."""
        workers = self.report.workers if self.report else ()
        return next((lane for worker in workers for lane in worker.lanes if lane.topic == topic), None)


def _partition_of(worker: WorkerReport, topic: str, partition: int) -> PartitionReport | None:
    return next((p for p in worker.partitions if (p.topic, p.partition) == (topic, partition)), None)


def health_url(health: HealthSettings) -> str:
    """Return the address of the health server of a process on this machine with these settings."""
    host = _ALL_ADDRESSES.get(health.host, health.host)
    return f"http://[{host}]:{health.port}" if ":" in host else f"http://{host}:{health.port}"


def ask_process(url: str, key: str | None = None) -> ProcessView:
    """Ask the process at this address; if it does not answer, the view has the reason.

    Raises:
        CommandFailedError: the address is not one of HTTP.
    """
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise invalid_input([f"--url {url}: write it as http://HOST:PORT"])
    address = f"{url.rstrip('/')}/debug/lanes"
    query = f"?{urllib.parse.urlencode({'key': key})}" if key is not None else ""
    try:
        with urllib.request.urlopen(address + query, timeout=TIMEOUT) as answer:  # noqa: S310 - checked above
            return ProcessView(LanesReport.model_validate_json(answer.read(_MAX_BYTES)))
    except urllib.error.HTTPError as error:
        error.close()
        remedy = ": run the command on its machine, or set health.debug" if error.code == 403 else ""  # noqa: PLR2004 - forbidden
        return ProcessView(None, f"{address} answered {error.code}{remedy}")
    except ValidationError:
        return ProcessView(None, f"{address} is not an address of this version of Southbound")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return ProcessView(None, f"{address} cannot be reached ({reason}): name the address of a process with --url")
