"""The listener's address is registered at the hub of a simulated system, over real connections in both directions."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from consumers.inbound.listener import Listener
from consumers.inbound.registration.progress import HubPhase
from consumers.inbound.registration.registrar import MISSED_BEFORE_CHECK, HubRegistrar
from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from schemas.inbound import InboundReceived
from southbound.broker.server import reserve_port
from southbound.service.composition.callback_addresses import hub_dialect, registration_mistakes
from southbound.service.composition.role_builders import callback_config
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.external_system import API_PATH, ExternalSystem
from southbound.simulator.script import Script
from tests.builders.runs import NOON
from tests.builders.spokes import violations
from tests.fakes.recording_inbound_publisher import RecordingInboundPublisher
from tests.harness.gateway import ENVELOPE
from tests.harness.serve_app import serve_app
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Said = list[tuple[str, str | None]]

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - a test value
SECRETS = {"CALLBACK_TOKEN": TOKEN}
WITH_TOKEN: dict[str, Any] = {"callback_auth": {"kind": "token", "token": "env:CALLBACK_TOKEN"}}
RUN = {"name": "Speed", "relatedService": {"id": "S1"}, "testSpecification": {"id": "T1"}}
TYPES = {"@type": "ServiceTest"}


@dataclass(slots=True, kw_only=True)
class Registered:
    """A listener and a registrar, in front of a system that can restart."""

    registrar: HubRegistrar
    publisher: RecordingInboundPublisher
    system: ExternalSystem
    port: int
    profile: Profile
    said: Said

    def hub_calls(self) -> list[tuple[str, str]]:
        return [
            (each.method, "/hub" if each.path == "/hub" else "/hub/{id}")
            for each in self.system.received
            if each.path.startswith("/hub")
        ]

    async def events_of_a_run(self) -> list[bytes]:
        """Run a test at the system, and return the bodies that the listener has stored, once it has ended."""
        body = RUN if self.profile.version != "5.0" else _typed(RUN)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.system.base_url}/serviceTest", json=body) as response,
        ):
            assert response.status == 201, await response.text()
        await wait_until(lambda: b'"completed"' in b"".join(self._bodies()))
        return self._bodies()

    def _bodies(self) -> list[bytes]:
        decoded = [ENVELOPE.decode(each.value, each.headers, fallback_id="") for each in self.publisher.published]
        return [event.data.body for event in decoded if isinstance(event.data, InboundReceived)]


def _typed(run: dict[str, Any]) -> dict[str, Any]:
    types = {"relatedService": "ServiceRef", "testSpecification": "ServiceTestSpecificationRef"}
    return {key: value | {"@type": types[key]} if key in types else value for key, value in run.items()} | TYPES


def a_system(port: int, version: str = "4.1", hub: str = "standard") -> ExternalSystem:
    script = Script.model_validate({"version": version, "hub": hub, "default": completes_by_callback(0.01)})
    return ExternalSystem(name="fibre-lab", port=port, script=script)


@asynccontextmanager
async def _registrar_of(profile: Profile, listener_port: int) -> AsyncIterator[tuple[HubRegistrar, Said]]:
    client = SpokeClient([profile], SECRETS)
    said: Said = []
    try:
        yield (
            HubRegistrar(
                dialect=hub_dialect(f"http://127.0.0.1:{listener_port}", profile, SECRETS),
                client=client,
                breakers=Breakers({}, lambda: NOON, lambda: 0.5).of("fibre-lab"),
                now=lambda: NOON,
                random=random.Random(1).random,  # noqa: S311 - jitter, not a secret
                observe=lambda _, outcome, sentence: said.append((outcome, sentence)),
            ),
            said,
        )
    finally:
        await client.close()


@asynccontextmanager
async def a_registrar_at(url: str, **fields: Any) -> AsyncIterator[tuple[HubRegistrar, Said]]:  # noqa: ANN401 - any field of a profile
    """Build the registrar for a system that is not simulated. Nothing is sent to its listener."""
    profile = Profile.model_validate({"name": "fibre-lab", "base_url": url, "hub": {"register": True}} | fields)
    async with _registrar_of(profile, 9) as registrar:
        yield registrar


@asynccontextmanager
async def a_registrar(version: str = "4.1", hub: str = "standard", **fields: Any) -> AsyncIterator[Registered]:  # noqa: ANN401 - any field of a profile
    settings = {"register": True} | fields.pop("hub_settings", {})
    async with AsyncExitStack() as stack:
        port = stack.enter_context(reserve_port()).port
        path = "v5" if version == "5.0" else "v4"
        profile = Profile.model_validate(
            {
                "name": "fibre-lab",
                "base_url": f"http://127.0.0.1:{port}{API_PATH}/{path}",
                "version": version,
                "hub": settings,
                **fields,
            }
        )
        publisher = RecordingInboundPublisher()
        listener = Listener(
            host="127.0.0.1",
            port=0,
            spokes={"fibre-lab": callback_config(profile, SECRETS, spoke_for(profile).check_callback)},
            publisher=publisher,
            topic="testrun.inbound",
            envelope=ENVELOPE,
            clock=lambda: NOON,
        )
        await stack.enter_async_context(listener)
        registrar, said = await stack.enter_async_context(_registrar_of(profile, listener.port))
        system = a_system(port, version, hub)
        await system.start()
        registered = Registered(
            registrar=registrar, publisher=publisher, system=system, port=port, profile=profile, said=said
        )
        yield registered
        await registered.system.stop()


async def restart(registered: Registered, hub: str = "standard") -> None:
    """Stop the system, and start it on the same port without what it knew."""
    await registered.system.stop()
    registered.system = a_system(registered.port, registered.profile.version, hub)
    await registered.system.start()


@pytest.mark.parametrize("version", ["4.0", "4.1", "4.2", "5.0"])
async def test_a_run_reports_to_the_registered_address(version: str) -> None:
    async with a_registrar(version) as registered:
        await registered.registrar.work()
        assert registered.registrar.registration.phase is HubPhase.REGISTERED
        assert registered.registrar.warning() is None
        assert len(await registered.events_of_a_run()) >= 1
        body = registered.registrar.dialect.registration()
        assert violations("EventSubscriptionInput", body, version, closed=True) == []


@pytest.mark.parametrize(("hub", "phase"), [("standard", HubPhase.ASSUMED), ("listing", HubPhase.REGISTERED)])
async def test_a_second_process_uses_the_registration_of_the_first(hub: str, phase: HubPhase) -> None:
    async with a_registrar(hub=hub) as registered:
        await registered.registrar.work()
        registered.registrar.registration = type(registered.registrar.registration)()  # as after a restart of ours
        await registered.registrar.work()
        assert registered.registrar.registration.phase is phase
        assert registered.registrar.warning() is None
        assert len(registered.system.notifications.subscriptions) == 1
        known = registered.registrar.registration.id
        assert known == (next(iter(registered.system.notifications.subscriptions)) if hub == "listing" else None)


async def test_a_hub_that_another_address_occupies_is_said() -> None:
    async def show(_: web.Request) -> web.Response:
        return web.json_response([{"id": "1", "callback": "http://other/"}])

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"code": "single", "reason": "there is a listener"}, status=409)

    app = web.Application()
    app.add_routes([web.get("/hub", show), web.post("/hub", refuse)])
    async with serve_app(app) as url, a_registrar_at(url) as (registrar, said):
        await registrar.work()
        assert registrar.registration.phase is HubPhase.OCCUPIED
        assert [outcome for outcome, _ in said] == ["occupied"]
        assert "another address" in str(registrar.warning())


async def test_a_system_without_a_hub_is_said_once_and_polling_is_suggested() -> None:
    async with a_registrar(hub="unsupported") as registered:
        for _ in range(3):
            await registered.registrar.work()
        sentences = [sentence for _, sentence in registered.said if sentence]
        assert len(sentences) == 1
        assert "result_channels: [poll]" in sentences[0]
        assert "501" in sentences[0]
        assert registered.registrar.warning() == sentences[0]
        assert not registered.registrar.is_in_effect


@pytest.mark.parametrize("hub", ["standard", "listing"])
@pytest.mark.parametrize("version", ["4.1", "5.0"])
async def test_a_system_that_forgot_the_registration_gets_it_again_at_the_renewal(version: str, hub: str) -> None:
    async with a_registrar(version, hub) as registered:
        await registered.registrar.work()
        await registered.registrar.work()
        assert registered.hub_calls()[-1] == ("GET", "/hub/{id}")
        await restart(registered, hub)
        await registered.registrar.work()
        assert registered.registrar.registration.phase is HubPhase.REGISTERED
        assert len(registered.system.notifications.subscriptions) == 1
        assert len(await registered.events_of_a_run()) >= 1


async def test_while_the_system_is_away_the_registration_is_tried_again_and_a_warning_says_so() -> None:
    async with a_registrar(retry={"initial_interval": 0.5, "max_interval": 4.0}) as registered:
        await registered.system.stop()
        pauses = [await registered.registrar.work() for _ in range(5)]
        assert pauses == sorted(pauses)
        assert 0.25 <= pauses[0] <= 0.5
        assert 2.0 <= pauses[-1] <= 4.0
        warning = registered.registrar.warning()
        assert warning is not None
        assert "no response" in warning
        assert [outcome for outcome, _ in registered.said] == ["failed"] * 5
        await restart(registered)
        await registered.registrar.work()
        assert registered.registrar.warning() is None


async def test_changes_that_only_polls_find_lead_to_a_check_before_the_renewal() -> None:
    async with a_registrar() as registered:
        await registered.registrar.work()
        registered.registrar._checked_at = None  # the clock of this test stands still
        registered.system.notifications.subscriptions.clear()
        for _ in range(MISSED_BEFORE_CHECK - 1):
            registered.registrar.change_polled()
        assert not registered.registrar._wake.is_set()
        registered.registrar.change_polled()
        assert registered.registrar._wake.is_set()
        await registered.registrar.work()
        assert len(registered.system.notifications.subscriptions) == 1


@pytest.mark.parametrize(("remove", "left"), [(True, 0), (False, 1)])
async def test_a_clean_stop_removes_the_registration_if_the_profile_says_so(remove: bool, left: int) -> None:  # noqa: FBT001 - a parameter
    async with a_registrar(hub_settings={"remove_at_stop": remove}) as registered:
        await registered.registrar.work()
        await registered.registrar.remove()
        assert len(registered.system.notifications.subscriptions) == left


@pytest.mark.parametrize("place", ["url", "body"])
async def test_the_system_learns_the_credentials_with_the_registration(place: str) -> None:
    async with a_registrar(hub_settings={"credentials": place}, **WITH_TOKEN) as registered:
        await registered.registrar.work()
        assert len(await registered.events_of_a_run()) >= 1
        assert registered.system.notifications.undelivered == []
        assert TOKEN not in repr(registered.registrar.dialect)
        assert TOKEN not in repr(registered.said)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/fibre-lab/{TOKEN}/listener", 201),
        (f"/fibre-lab/{TOKEN}/listener/ServiceTestStateChangeEvent", 201),
        (f"/fibre-lab/{TOKEN}x/listener", 401),
        (f"/other-lab/{TOKEN}/listener", 401),
        ("/fibre-lab/listener", 401),
    ],
)
async def test_only_the_registered_address_is_believed(path: str, status: int) -> None:
    async with a_registrar(hub_settings={"credentials": "url"}, **WITH_TOKEN) as registered:
        url = registered.registrar.dialect.callback.replace(f"/fibre-lab/{TOKEN}/listener", path)
        event = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": {"id": "1", "state": "failed"}}}
        async with aiohttp.ClientSession() as session, session.post(url, json=event) as response:
            assert response.status == status
            assert TOKEN.encode() not in await response.read()


async def test_a_token_in_an_address_is_not_believed_unless_the_profile_says_so() -> None:
    async with a_registrar(**WITH_TOKEN) as registered:
        url = f"http://127.0.0.1:{registered.registrar.dialect.callback.split(':')[2].split('/')[0]}"
        async with aiohttp.ClientSession() as session, session.post(f"{url}/fibre-lab/{TOKEN}/listener", json={}) as it:
            assert it.status == 401


@pytest.mark.parametrize("status", [400, 401, 409, 422, 500, 503])
async def test_a_system_that_repeats_the_token_in_an_error_does_not_bring_it_into_a_log(status: int) -> None:
    echoed: list[bytes] = []

    async def echo(request: web.Request) -> web.Response:
        echoed.append(await request.read())
        return web.json_response({"code": "1", "reason": echoed[-1].decode()}, status=status)

    app = web.Application()
    app.router.add_post("/hub", echo)
    more: dict[str, Any] = {"hub": {"register": True, "credentials": "url"}, **WITH_TOKEN}
    async with serve_app(app) as url, a_registrar_at(url, **more) as (registrar, said):
        for _ in range(10):
            await registrar.work()
        assert TOKEN.encode() in echoed[0]
        assert len(said) == 10
        for text in (repr(said), repr(registrar), str(registrar.warning()), registrar.breakers.writes.reason):
            assert TOKEN not in text


async def test_thin_events_are_asked_for_by_the_query() -> None:
    settings = {
        "event_types": ["ServiceTestAttributeValueChangeEvent", "ServiceTestStateChangeEvent"],
        "payload": "thin",
    }
    async with a_registrar("4.2", hub_settings=settings) as registered:
        await registered.registrar.work()
        (subscription,) = registered.system.notifications.subscriptions.values()
        types = "ServiceTestAttributeValueChangeEvent,ServiceTestStateChangeEvent"
        assert subscription.query == f"eventType={types}&fields=id,href,state"
        for body in await registered.events_of_a_run():
            shown = orjson.loads(body)
            assert shown["eventType"] in types
            assert shown["event"]["serviceTest"].keys() <= {"id", "href", "state"}


@pytest.mark.parametrize("token", ["short", "with/slash/in/the/token", "with space in the token", "ä" * 20])
def test_a_token_that_cannot_stand_in_an_address_is_refused_without_naming_it(token: str) -> None:
    profile = Profile.model_validate(
        {"name": "fibre-lab", "base_url": "http://127.0.0.1:9", "hub": {"register": True, "credentials": "url"}}
        | WITH_TOKEN
    )
    with pytest.raises(SecretMissingError, match="CALLBACK_TOKEN") as refused:
        hub_dialect("http://127.0.0.1:9", profile, {"CALLBACK_TOKEN": token})
    assert token not in str(refused.value)


def test_an_address_that_is_not_known_is_a_mistake() -> None:
    profile = Profile.model_validate({"name": "fibre-lab", "base_url": "http://127.0.0.1:9", "hub": {"register": True}})
    (mistake,) = registration_mistakes(None, [profile])
    assert "listener.public_url" in mistake
    assert registration_mistakes("http://127.0.0.1:8700", [profile]) == []
    assert registration_mistakes(None, [profile.model_copy(update={"hub": type(profile.hub)()})]) == []
