"""A kill -9 leaves at most as many doubts as calls were under way, however many runs wait for their POST."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.odd_system import run_id_in
from tests.fixtures.processes import a_deployment, unique_id
from tests.harness.serve_app import serve_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUNS = 200
ANSWERED = 40  # POSTs before the system stops to answer
CALLS = 8  # at a time


@dataclass(slots=True)
class StallingSystem:
    """One system that stores every run, and answers none of the POSTs after the first ones until it is resumed."""

    posted: Counter[str] = field(default_factory=Counter)
    looked_up: Counter[str] = field(default_factory=Counter)
    unanswered: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""

    async def create(self, request: web.Request) -> web.Response:
        """Store a run; answer it, or leave it without an answer."""
        name = (await request.json())["name"]
        run_id = run_id_in(name)
        self.posted[run_id] += 1
        self.names[name] = run_id
        if len(self.posted) > ANSWERED and not self.resumed.is_set():
            self.unanswered.add(run_id)
            await self.resumed.wait()
        return web.json_response({"id": f"ext-{run_id}", "name": name, "state": "acknowledged"}, status=201)

    async def list_runs(self, request: web.Request) -> web.Response:
        """Answer a look-up, and count it."""
        name = request.query.get("name", "")
        self.looked_up[run_id_in(name)] += 1
        found = [{"id": f"ext-{self.names[name]}", "name": name, "state": "acknowledged"}] if name in self.names else []
        return web.json_response(found, headers={"X-Total-Count": str(len(found))})


@asynccontextmanager
async def a_stalling_system() -> AsyncIterator[StallingSystem]:
    """Run the system on a free port of this machine."""
    system = StallingSystem()
    app = web.Application()
    app.add_routes([web.post("/serviceTest", system.create), web.get("/serviceTest", system.list_runs)])
    async with serve_app(app) as system.base_url:
        try:
            yield system
        finally:
            system.resumed.set()


async def test_only_the_runs_whose_post_was_under_way_are_looked_up_after_a_kill(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    tag = unique_id("doubt")
    ids = {f"{tag}-{number}" for number in range(RUNS)}
    async with a_stalling_system() as system:
        # No call times out before the kill, however busy the machine is, nor ends a session after it.
        patient = {"connect": 60, "read": 300, "total": 300}
        profile = {"base_url": system.base_url, "concurrency": CALLS, "timeouts": patient}
        client = {"session.timeout.ms": 10_000}
        async with a_deployment(kafka_bootstrap, tmp_path, profile=profile, client=client) as deployment:
            service = deployment.service
            await service.request(*(a_document(run_id) for run_id in ids))
            first = await deployment.start("routing", "dispatch")

            def accepted() -> set[str]:
                return {update.run_id for update in service.updates() if update.kind is UpdateKind.ACCEPTED}

            await service.wait_until(lambda: len(system.unanswered) == CALLS, "every call waits for its answer")
            await service.wait_until(lambda: len(accepted()) == ANSWERED, "what was answered is stored")
            first.send(signal.SIGKILL)
            await first.wait_for_exit()
            assert system.looked_up.total() == 0
            system.resumed.set()
            await deployment.start("routing", "dispatch")
            await service.wait_until(lambda: accepted() == ids, "every run is accepted")
            assert system.looked_up.keys() == system.unanswered  # not those that waited for a connection
            assert system.posted == Counter(ids)
            assert service.dead_letters() == []
