"""A probe names the step on the way to a system that fails, and never a secret."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.http_client import SpokeClient
from router.responses import NoResponse
from southbound.operations.spokes.probe import probe
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.notifications import Subscription
from southbound.simulator.script import Script
from tests.builders.spokes import a_profile
from tests.contract.spokes.misbehaving_server import ServerBehaviour, ServerConnection, serving

if TYPE_CHECKING:
    from southbound.operations.spokes.probe import ProbeStep

FILES = Path(__file__).parents[2] / "data" / "tls"
SECRET = "s3cret-word"  # noqa: S105 - nobody else's
ENVIRONMENT = {"LAB_TOKEN": SECRET}
BEARER = {"kind": "bearer", "token": "env:LAB_TOKEN"}
TIMEOUTS = {"connect": 20, "read": 30, "total": 60}


async def steps_to(address: str, **profile: Any) -> list[ProbeStep]:  # noqa: ANN401 - any field of a profile
    described = a_profile(base_url=address, timeouts=TIMEOUTS, **profile)
    found = [step async for step in probe(described, ENVIRONMENT)]
    assert not any(SECRET in step.detail for step in found)
    return found


def names(steps: list[ProbeStep]) -> list[tuple[str, bool]]:
    return [(step.step, step.ok) for step in steps]


def answering(status: int, body: bytes = b"[]") -> ServerBehaviour:
    async def answer(connection: ServerConnection) -> None:
        await connection.read_request()
        head = f"HTTP/1.1 {status} Some\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        await connection.write(head.encode() + body)

    return answer


async def a_free_port() -> int:
    async with serving(answering(200)) as server:
        return server.port


def tls_context(*, client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=FILES / "ca.pem")
    context.load_cert_chain(FILES / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
    return context


async def test_a_system_that_answers_passes_every_step() -> None:
    async with ExternalSystem(name="fibre-lab") as system:
        steps = await steps_to(system.base_url)
    assert names(steps) == [("name", True), ("connection", True), ("credentials", True), ("rules", True)]
    assert steps[-1].detail == "not tried, because the list shows no run: order one, and probe again"
    assert [request.method for request in system.received] == ["GET"]


async def test_a_name_that_does_not_exist_is_the_first_step() -> None:
    steps = await steps_to("http://no-such-host.invalid:80/v4")
    assert names(steps) == [("name", False)]


async def test_a_port_on_which_nothing_listens_is_the_connection() -> None:
    steps = await steps_to(f"http://127.0.0.1:{await a_free_port()}/v4")
    assert names(steps) == [("name", True), ("connection", False)]


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_that_are_refused_are_named_without_the_secret(status: int) -> None:
    async with serving(answering(status, f'{{"you sent": "{SECRET}"}}'.encode())) as server:
        steps = await steps_to(f"http://127.0.0.1:{server.port}/v4", auth=BEARER)
    assert names(steps)[-1] == ("credentials", False)
    advice = "correct auth, the secret to which it refers, or the rights of the user"
    assert steps[-1].detail == f"GET /serviceTest with auth bearer was refused with {status}: {advice}"


async def test_another_answer_names_the_path_and_repeats_no_body() -> None:
    async with serving(answering(404, SECRET.encode())) as server:
        steps = await steps_to(f"http://127.0.0.1:{server.port}/v4", auth=BEARER)
    assert names(steps)[-1] == ("answer", False)
    assert "correct base_url, or paths.search" in steps[-1].detail


@pytest.mark.parametrize(
    ("tls", "last"),
    [
        ({}, ("TLS", False)),
        ({"ca": str(FILES / "ca.pem")}, ("rules", True)),
        ({"ca": str(FILES / "ca.pem"), "server_name": "localhost"}, ("rules", True)),
        ({"ca": str(FILES / "ca.pem"), "server_name": "lab.example"}, ("TLS", False)),
    ],
    ids=["unknown authority", "known authority", "another name", "name of another system"],
)
async def test_a_certificate_is_checked(tls: dict[str, str], last: tuple[str, bool]) -> None:
    async with serving(answering(200), tls_context()) as server:
        steps = await steps_to(f"https://127.0.0.1:{server.port}/v4", tls=tls)
    assert names(steps)[-1] == last


async def test_a_client_certificate_that_is_missing_is_named() -> None:
    async with serving(answering(200), tls_context(client=True)) as server:
        steps = await steps_to(f"https://127.0.0.1:{server.port}/v4", tls={"ca": str(FILES / "ca.pem")})
    assert not steps[-1].ok
    assert "client certificate" in steps[-1].detail


async def test_a_token_endpoint_that_is_down_is_a_matter_of_credentials() -> None:
    auth = {
        "kind": "oauth2",
        "token_url": f"http://127.0.0.1:{await a_free_port()}/token",
        "client_id": "us",
        "client_secret": "env:LAB_TOKEN",
    }
    async with serving(answering(200)) as server:
        steps = await steps_to(f"http://127.0.0.1:{server.port}/v4", auth=auth)
    assert names(steps)[-1] == ("credentials", False)


async def test_a_secret_that_is_missing_is_named_before_anything_is_tried() -> None:
    with pytest.raises(SecretMissingError, match="NOT_SET"):
        await steps_to("http://127.0.0.1:9/v4", auth={"kind": "bearer", "token": "env:NOT_SET"})


@pytest.mark.parametrize(
    ("hub", "registered", "sentence"),
    [
        ("listing", True, "the callback address is registered (id "),
        ("listing", False, "the callback address is not registered"),
        ("standard", True, "cannot be read (GET /hub was answered with 405)"),
        ("unsupported", False, "cannot be read (GET /hub was answered with 501)"),
    ],
)
async def test_a_probe_shows_whether_the_hub_has_the_callback_address(
    hub: str, sentence: str, *, registered: bool
) -> None:
    public_url = "http://callbacks.example"
    async with ExternalSystem(name="fibre-lab", script=Script.model_validate({"hub": hub})) as system:
        if registered:
            callback = f"{public_url}/fibre-lab/listener"
            system.notifications.subscriptions["7"] = Subscription(id="7", callback=callback)
        described = a_profile(base_url=system.base_url, timeouts=TIMEOUTS, hub={"register": True})
        steps = [step async for step in probe(described, {}, public_url)]
    assert names(steps)[-1] == ("hub", True)
    assert sentence in steps[-1].detail
    assert {request.method for request in system.received} == {"GET"}


async def test_a_probe_names_the_setting_that_a_registration_needs() -> None:
    async with ExternalSystem(name="fibre-lab") as system:
        steps = await steps_to(system.base_url, hub={"register": True})
    assert names(steps)[-1] == ("hub", False)
    assert "listener.public_url" in steps[-1].detail


async def test_a_system_whose_name_has_a_token_in_it_is_no_matter_of_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def breaks(*_: object) -> NoResponse:
        return NoResponse(perhaps_sent=True, cause="token.example closed the connection")

    monkeypatch.setattr(SpokeClient, "call", breaks)
    async with serving(answering(200)) as server:
        steps = await steps_to(f"http://127.0.0.1:{server.port}/v4")
    assert names(steps)[-1] == ("answer", False)


async def test_fault_an_answer_that_is_no_list_of_runs_is_told_as_fine() -> None:
    async with serving(answering(200, b'{"items": [{"id": "1", "state": "completed"}]}')) as server:
        address = f"http://127.0.0.1:{server.port}/v4"
        steps = await steps_to(address)
        assert names(steps)[-2:] == [("credentials", True), ("list", False)]
        assert "no list of runs but an object: correct paths.search, or mapping.runs_at" in steps[-1].detail
        rules = await steps_to(address, mapping={"runs_at": "/items"}, look_up="external_identifier")
        assert names(rules)[3:5] == [("rules", True), ("run", False)]
        without_look_up = await steps_to(address, look_up="none")
        assert names(without_look_up)[-1] == ("rules", True)
        assert "not tried" in without_look_up[-1].detail


async def test_fault_404_for_an_empty_list_is_told_as_a_wrong_address() -> None:
    async with serving(answering(404, b'{"error": "nothing found"}')) as server:
        address = f"http://127.0.0.1:{server.port}/v4"
        steps = await steps_to(address)
        assert names(steps)[-1] == ("answer", False)
        assert "empty_list_status" in steps[-1].detail
        assert names(await steps_to(address, empty_list_status=404))[-1] == ("rules", True)
