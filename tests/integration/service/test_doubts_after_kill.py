"""A kill -9 leaves at most as many doubts as calls were under way, and no run is POSTed in another way after it."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from router.runs.checks.doubt import MIN_ABSENT_ANSWERS
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
    """One system that stores every run, and answers none of the POSTs after the first ones until it is resumed.

    If it forgets, it stores none of those that it does not answer.
    """

    answered: int = ANSWERED
    forgets: bool = False
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
        is_answered = len(self.posted) <= self.answered or self.resumed.is_set()
        if is_answered or not self.forgets:
            self.names[name] = run_id
        if not is_answered:
            self.unanswered.add(run_id)
            await self.resumed.wait()
        return web.json_response({"id": f"ext-{run_id}", "name": name, "state": "acknowledged"}, status=201)

    async def list_runs(self, request: web.Request) -> web.Response:
        """Answer a look-up, and count it."""
        wanted = request.query.get("name")
        if wanted is not None:
            self.looked_up[run_id_in(wanted)] += 1
        names = {name: run_id for name, run_id in self.names.items() if wanted in {None, name}}
        found = [{"id": f"ext-{run_id}", "name": name, "state": "acknowledged"} for name, run_id in names.items()]
        return web.json_response(found, headers={"X-Total-Count": str(len(found))})


@asynccontextmanager
async def a_stalling_system(answered: int = ANSWERED, *, forgets: bool = False) -> AsyncIterator[StallingSystem]:
    """Run the system on a free port of this machine."""
    system = StallingSystem(answered=answered, forgets=forgets)
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


async def test_a_post_that_was_killed_is_not_made_with_the_body_of_a_changed_profile(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    run_id = unique_id("body")
    async with a_stalling_system(answered=0, forgets=True) as system:
        profile = {"base_url": system.base_url, "settle_time": 0.5}
        async with a_deployment(kafka_bootstrap, tmp_path, profile=profile) as deployment:
            service = deployment.service
            await service.request(a_document(run_id))
            first = await deployment.start("routing", "dispatch")
            await service.wait_until(lambda: bool(system.unanswered), "the POST is under way")
            first.send(signal.SIGKILL)
            await first.wait_for_exit()
            system.resumed.set()
            deployment.profile |= {"relationship_encoding": "characteristic"}
            await deployment.start("routing", "dispatch")
            await service.wait_until(lambda: bool(service.dead_letters()), "the run is for a person")
            (letter,) = service.dead_letters()
            assert letter.header("southbound-dlq-code") == "BODY_CHANGED"
            assert system.looked_up[run_id] >= MIN_ABSENT_ANSWERS
            assert system.posted == {run_id: 1}
