"""Every transport trusts a private authority, shows its certificate, and uses a renewed one without a restart."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.http_client import open_connections
from consumers.spokes.security import client_tls
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse, NoResponse
from southbound.service.open_resources import TRANSPORTS
from tests.builders.spokes import a_profile
from tests.contract.spokes.misbehaving_server import ServerConnection, serving

if TYPE_CHECKING:
    from consumers.spokes.transport import Transport

FILES = Path(__file__).parents[2] / "data" / "tls"
CA = str(FILES / "ca.pem")
TIMEOUTS = {"connect": 20, "read": 30, "total": 60}


def server_context() -> ssl.SSLContext:
    """Return the context of a server that only takes clients with a certificate of our authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=CA)
    context.load_cert_chain(FILES / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def name_the_client(connection: ServerConnection) -> None:
    await connection.read_request()
    certificate = connection.writer.get_extra_info("peercert")
    (((_, name),),) = [part for part in certificate["subject"] if part[0][0] == "commonName"]
    await connection.write(
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\nConnection: close\r\n\r\n{name}".encode()
    )


async def shown_certificate(transport: Transport, port: int) -> str:
    response = await transport.send(HttpRequest(method="GET", url=f"https://127.0.0.1:{port}/serviceTest"))
    assert isinstance(response, HttpResponse), response
    return response.body.decode()


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_renewed_certificate_is_shown_without_a_restart(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tls, "CHECK_INTERVAL", 0.0)
    certificate = tmp_path / "client.pem"
    shutil.copy(FILES / "client-1.pem", certificate)
    async with serving(name_the_client, server_context()) as server:
        address = f"https://127.0.0.1:{server.port}"
        tls = {"ca": CA, "certificate": str(certificate)}
        transport = TRANSPORTS[kind](a_profile(base_url=address, tls=tls, timeouts=TIMEOUTS))
        shown = [await shown_certificate(transport, server.port)]
        certificate.write_text("half of a file", encoding="utf-8")
        shown.append(await shown_certificate(transport, server.port))
        shutil.copy(FILES / "client-2.pem", certificate)
        shown.append(await shown_certificate(transport, server.port))
        await transport.close()
    assert shown == ["client-1", "client-1", "client-2"]


@pytest.mark.parametrize("kind", TRANSPORTS)
@pytest.mark.parametrize(
    "tls", [{}, {"ca": str(FILES / "untrusted.pem")}], ids=["authorities of the machine", "another"]
)
async def test_a_system_of_an_unknown_authority_is_not_called(kind: str, tls: dict[str, str]) -> None:
    async with serving(name_the_client, server_context()) as server:
        address = f"https://127.0.0.1:{server.port}"
        transport = TRANSPORTS[kind](a_profile(base_url=address, tls=tls, timeouts=TIMEOUTS))
        response = await transport.send(HttpRequest(method="POST", url=f"{address}/serviceTest", body=b"{}"))
        await transport.close()
    assert isinstance(response, NoResponse)
    assert (response.perhaps_sent, response.certificate_invalid, server.requests) == (False, True, [])


@pytest.mark.parametrize("kind", TRANSPORTS)
@pytest.mark.parametrize(
    ("host", "server_name", "trusted"),
    [("127.0.0.1", "localhost", True), ("127.0.0.1", "lab.example", False), ("localhost", None, True)],
)
async def test_the_certificate_is_checked_for_the_name_in_the_profile(
    kind: str, host: str, server_name: str | None, *, trusted: bool
) -> None:
    context, asked = context_of("server.pem"), list[str | None]()
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(answer_and_stay, context) as server:
        address = f"https://{host}:{server.port}"
        tls = {"ca": CA, "server_name": server_name}
        transport = TRANSPORTS[kind](a_profile(base_url=f"{address}/v4", tls=tls, timeouts=TIMEOUTS))
        response = await transport.send(HttpRequest(method="GET", url=f"{address}/v4/serviceTest"))
        await transport.close()
    assert isinstance(response, HttpResponse) is trusted
    assert set(asked) == {server_name or host}


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_another_origin_than_the_systems_has_a_certificate_of_its_own(kind: str) -> None:
    """The token endpoint of OAuth2 is called with the transport of the system."""
    async with serving(answer_and_stay, context_of("server.pem")) as server:
        tls = {"ca": CA, "server_name": "lab.example"}
        transport = TRANSPORTS[kind](a_profile(base_url="https://127.0.0.2/v4", tls=tls, timeouts=TIMEOUTS))
        assert await is_trusted(transport, server.port)
        await transport.close()


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_an_authority_that_was_replaced_is_trusted_no_more(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_tls, "CHECK_INTERVAL", 0.0)
    ca = tmp_path / "ca.pem"
    shutil.copy(CA, ca)
    old, new = context_of("server.pem"), context_of("untrusted.pem")
    async with serving(answer_and_stay, old) as before, serving(answer_and_stay, new) as after:
        transport = TRANSPORTS[kind](a_profile(base_url="https://127.0.0.1", tls={"ca": str(ca)}, timeouts=TIMEOUTS))
        trusted = [[await is_trusted(transport, server.port) for server in (before, after)]]
        shutil.copy(FILES / "untrusted.pem", ca)
        trusted += [[await is_trusted(transport, server.port) for server in (before, after)]]
        await transport.close()
    assert trusted == [[True, False], [False, True]]
    assert len(before.requests) == len(after.requests) == 1  # an idle connection was not used either


def context_of(certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(FILES / certificate)
    return context


async def answer_and_stay(connection: ServerConnection) -> None:
    while True:
        await connection.read_request()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def is_trusted(transport: Transport, port: int) -> bool:
    response = await transport.send(HttpRequest(method="GET", url=f"https://127.0.0.1:{port}/serviceTest"))
    if isinstance(response, NoResponse):
        assert response.certificate_invalid, response
    return isinstance(response, HttpResponse)


def test_files_that_cannot_be_used_are_named_by_field_and_path(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate", encoding="utf-8")
    broken, absent = str(tmp_path / "broken.pem"), str(tmp_path / "absent.pem")
    profiles = [
        a_profile(name="one", tls={"ca": absent}),
        a_profile(name="two", tls={"ca": CA, "certificate": broken}),
        a_profile(name="three", tls={"certificate": CA}),
        a_profile(name="four", tls={"certificate": str(FILES / "client-1.pem"), "key_password": f"file:{absent}"}),
    ]
    with pytest.raises(SecretMissingError) as error:
        open_connections(profiles, {})
    one, two, three, four = str(error.value).splitlines()
    assert one == f"spoke 'one', field 'tls': there is no file for tls.ca at {absent}"
    assert two.startswith(f"spoke 'two', field 'tls': tls.certificate cannot be loaded from {broken} (")
    assert three.startswith(f"spoke 'three', field 'tls': tls.certificate cannot be loaded from {CA} (")
    assert four.startswith(f"spoke 'four', field 'tls': there is no secret at file:{absent}")
