"""FastStream with its own concurrency, as in its documentation.

Its default decoder would parse JSON before the handler and, with ACK_FIRST and no logger, lose every event
silently; so this arm sets a decoder that leaves the bytes as they are.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import aiohttp
import anyio
import uvloop
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage

from tests.benchmarks.arms.config import GROUP, ArmConfig, read_arm_config
from tests.benchmarks.arms.events import RESULT_TYPE, encode_result, read_request

if TYPE_CHECKING:
    from confluent_kafka import Message

IN_FLIGHT = 256
CONNECTIONS = 64  # the limit of the shipped profile


async def undecoded(message: KafkaMessage) -> object:
    """Return the record of the client, so that the handler decodes it."""
    return message.raw_message


async def run(config: ArmConfig) -> None:
    """Run the arm until SIGTERM."""
    broker = KafkaBroker(config.bootstrap, logger=None, apply_types=False)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        # More than one worker is only possible with ACK_FIRST: the offset is committed before the work.
        @broker.subscriber(
            config.events,
            group_id=f"{config.prefix}{GROUP}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK_FIRST,
            max_workers=IN_FLIGHT,
            decoder=undecoded,
        )
        async def handle(raw: Message) -> None:
            run_id, body = read_request(raw)
            headers = {"Content-Type": "application/json", "Idempotency-Key": run_id}
            async with session.post(f"{config.system}/serviceTest", data=body, headers=headers) as answer:
                value = encode_result(run_id, await answer.read())
            await broker.publish(value, config.results, key=run_id.encode(), headers={"ce_type": RESULT_TYPE})

        app = FastStream(broker, logger=None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_exit_on_sigterm, app)
            await app.run()
            tasks.cancel_scope.cancel()


async def _exit_on_sigterm(app: FastStream) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            app.exit()


if __name__ == "__main__":
    uvloop.run(run(read_arm_config()))
