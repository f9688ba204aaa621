"""Order runs through processes of the role `api` that are killed meanwhile, as a client does that repeats its POSTs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLIENTS = 6
PAUSE = 0.05  # seconds between two attempts at a POST


@dataclass(slots=True)
class OrderBurst:
    """Sends one order for each name until it is accepted, under one `Idempotency-Key` each.

    `addresses` are tried in turn. `run_ids` are the ids of every answer, by name.
    """

    addresses: Callable[[], Sequence[str]]
    body: dict[str, Any]
    run_ids: dict[str, set[str]] = field(default_factory=dict)
    answers: int = 0

    async def order_all(self, names: Sequence[str]) -> None:
        """Order every run; several at once."""
        waiting = iter(names)

        async def client(http: aiohttp.ClientSession, number: int) -> None:
            for name in waiting:
                await self._order(http, name, number)

        timeout = aiohttp.ClientTimeout(total=15)
        async with asyncio.timeout(90), aiohttp.ClientSession(timeout=timeout) as http:
            await asyncio.gather(*(client(http, number) for number in range(CLIENTS)))

    async def _order(self, http: aiohttp.ClientSession, name: str, attempt: int) -> None:
        while True:
            addresses = self.addresses()
            attempt += 1
            try:
                async with http.post(
                    addresses[attempt % len(addresses)],
                    json={**self.body, "name": name},
                    headers={"Idempotency-Key": name},
                ) as response:
                    content = await response.json()
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(PAUSE)
                continue
            if response.status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
                self.run_ids.setdefault(name, set()).add(content["id"])
                self.answers += 1
                return
            assert response.status == HTTPStatus.SERVICE_UNAVAILABLE, content
            await asyncio.sleep(PAUSE)
