"""The simplest loop: one record, one POST, one result, one commit."""

from __future__ import annotations

import signal
import sys
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from confluent_kafka import Consumer, Producer

from tests.benchmarks.arms.config import GROUP, ArmConfig, read_arm_config
from tests.benchmarks.arms.events import RESULT_TYPE, encode_result, read_request

if TYPE_CHECKING:
    from confluent_kafka import Message


class NaiveLoop:
    """POSTs every event at least once, in order per partition. A result may be lost."""

    def __init__(self, order: ArmConfig) -> None:
        self._order = order
        address = urlsplit(order.system)
        self._path = f"{address.path}/serviceTest"
        self._http = HTTPConnection(address.hostname or "", address.port)
        self._producer = Producer({"bootstrap.servers": order.bootstrap, "linger.ms": 2})
        self._consumer = Consumer(
            {
                "bootstrap.servers": order.bootstrap,
                "group.id": f"{order.prefix}{GROUP}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe([order.events])

    def run(self) -> None:
        """Process records until the process is ended."""
        while True:
            record = self._consumer.poll(1.0)
            if record is not None and record.error() is None:
                self._work(record)

    def _work(self, record: Message) -> None:
        run_id, body = read_request(record)
        self._http.request("POST", self._path, body, {"Content-Type": "application/json", "Idempotency-Key": run_id})
        value = encode_result(run_id, self._http.getresponse().read())
        self._producer.produce(self._order.results, value, run_id, headers={"ce_type": RESULT_TYPE})
        self._producer.poll(0)
        self._consumer.commit(message=record, asynchronous=False)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    NaiveLoop(read_arm_config()).run()
