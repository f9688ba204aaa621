"""The commands as an operator starts them: in separate processes, with a real Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from southbound.broker.server import reserve_port
from southbound.exit_codes import ExitCode
from southbound.settings.settings import DEFAULTS
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.script import Script
from tests.fixtures.command_shell import COMMAND_TIMEOUT, CommandShell
from tests.harness.ports import a_quiet_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SELECTORS = ("spoke-selector", "spoke-selector@draft")
EVENTS = """\
- {type: RunCancelled, id: E1, data: {run_id: TR0001, root_run_id: TR0001, reason: enough}}
- {type: RunCancelled, id: E2, data: {run_id: TR0002, root_run_id: TR0002}}
"""


@dataclass(slots=True)
class _AppliedTopics:
    """The topics of `shell`, created once per module."""

    store: Path  # of the gateway to which the topics belong
    prefix: str = field(default_factory=lambda: f"c{uuid.uuid4().hex[:8]}.")
    applied: subprocess.CompletedProcess[str] | None = None


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> _AppliedTopics:
    """The topics, which are created once by the command itself."""
    return _AppliedTopics(store=tmp_path_factory.mktemp("store") / "southbound.db")


@pytest.fixture
def empty_shell(kafka_bootstrap: str, tmp_path: Path, applied: _AppliedTopics) -> CommandShell:
    """A shell whose topics may not exist. The ports are free ones."""
    variables = {
        "SOUTHBOUND_KAFKA__BOOTSTRAP": kafka_bootstrap,
        "SOUTHBOUND_KAFKA__PREFIX": applied.prefix,
        "SOUTHBOUND_KAFKA__GROUP": f"{applied.prefix}{uuid.uuid4().hex[:8]}",
        "SOUTHBOUND_STORE__URL": f"sqlite+aiosqlite:///{applied.store}",
        "SOUTHBOUND_LISTENER__PORT": "0",
        "SOUTHBOUND_HEALTH__PORT": "0",
    }
    return CommandShell(folder=tmp_path, variables=variables, prefix=applied.prefix, bootstrap=kafka_bootstrap)


@pytest.fixture
def shell(empty_shell: CommandShell, applied: _AppliedTopics) -> CommandShell:
    """A shell whose topics exist."""
    applied.applied = applied.applied or empty_shell.southbound("topics", "apply")
    assert applied.applied.returncode == ExitCode.SUCCESS, applied.applied.stderr
    return empty_shell


def test_topics_are_planned_and_created(empty_shell: CommandShell) -> None:
    own = {"SOUTHBOUND_KAFKA__PREFIX": f"t{uuid.uuid4().hex[:8]}."}
    outputs = [empty_shell.southbound("topics", *arguments, **own) for arguments in (("plan",), ("apply",), ("plan",))]
    assert [output.returncode for output in outputs] == [ExitCode.SUCCESS] * 3
    named = [line.split("  ")[0] for line in outputs[0].stdout.splitlines()[1:]]
    assert f"{own['SOUTHBOUND_KAFKA__PREFIX']}testrun.dispatch.fibre-lab" in named
    states = ("to be created", "created", "exists")
    assert [output.stdout.count(arguments) for output, arguments in zip(outputs, states, strict=True)] == [
        len(named)
    ] * 3


def test_a_table_is_published_compared_and_rolled_back(shell: CommandShell) -> None:
    first, second = shell.folder / "one.yaml", shell.folder / "two.yaml"
    first.write_text((DEFAULTS / "tables/outbound-policy.yaml").read_text())
    second.write_text(first.read_text().replace("note: The access tree", "note: The whole access tree"))
    signed = ("--author", "ann", "--comment")
    published = [shell.southbound("tables", "publish", file.name, *signed, file.name) for file in (first, second)]
    assert [result.returncode for result in published] == [ExitCode.SUCCESS] * 2, (
        published[0].stderr + published[1].stderr
    )
    assert "  row R10: note The access tree gives" in published[1].stdout
    rolled_back = shell.southbound("tables", "rollback", "outbound-policy", "--author", "ben")
    assert rolled_back.returncode == ExitCode.SUCCESS, rolled_back.stderr
    moves = [
        json.loads(line)
        for line in shell.southbound("tables", "history", "outbound-policy", "--json").stdout.splitlines()
    ]
    assert [(move["action"], move["author"], move["comment"]) for move in moves] == [
        ("rollback", "ben", ""),
        ("publish", "ann", "two.yaml"),
        ("publish", "ann", "one.yaml"),
    ]
    assert shell.southbound("tables", "show", "outbound-policy").stdout == first.read_text()
    assert "row R10: note" in shell.southbound("tables", "diff", "outbound-policy", str(second)).stdout


def test_tail_shows_produced_events(shell: CommandShell) -> None:
    produced = shell.southbound("produce", "-", stdin=EVENTS)
    assert produced.returncode == ExitCode.SUCCESS, produced.stderr
    assert [line.split("\t")[0] for line in produced.stdout.splitlines()] == ["E1", "E2"]
    seen = shell.southbound("tail", "lifecycle", "--from-start", "--no-follow", "--json", "--run", "TR0001")
    event = json.loads(seen.stdout.splitlines()[-1])
    assert (event["id"], event["type"], event["key"]) == ("E1", "southbound.RunCancelled", "TR0001")
    assert event["data"] == {"run_id": "TR0001", "root_run_id": "TR0001", "reason": "enough"}
    assert "TR0002" not in seen.stdout


def test_tail_follows_until_it_is_interrupted(shell: CommandShell) -> None:
    with shell.started("tail", "lifecycle", "--run", "TR0077", "--from-start") as tail:
        event = EVENTS.replace("TR0001", "TR0077").splitlines()[0]
        assert shell.southbound("produce", "-", stdin=event).returncode == ExitCode.SUCCESS
        tail.wait_for_output("RunCancelled to be cancelled: enough")
        assert tail.stop_with_signal(signal.SIGINT) == ExitCode.INTERRUPTED
        assert "Traceback" not in tail.output


def test_tail_shows_undecodable_bytes_and_the_reason_of_a_dead_letter(shell: CommandShell) -> None:
    why = {"code": "UNDECODABLE", "reason": "it cannot be read", "topic": "t", "partition": "3", "offset": "7"}
    shell.produce("dlq", "TR0003", b"\x1b[31mrubbish", {f"southbound-dlq-{name}": text for name, text in why.items()})
    shown = shell.southbound("tail", "dlq", "--from-start", "--no-follow", "--run", "TR0003").stdout
    assert "UNDECODABLE: it cannot be read (from t[3] offset 7: cannot be decoded, 12 bytes" in shown
    assert "\x1b" not in shown


def test_a_dead_letter_can_be_redriven_from_the_output_of_tail(shell: CommandShell) -> None:
    value = json.dumps({"run_id": "TR0004", "root_run_id": "TR0004"}).encode()
    shell.produce(
        "dlq", "TR0004", value, {"ce_type": "southbound.RunCancelled", "ce_id": "E4", "southbound-dlq-code": "X"}
    )
    look = ("--from-start", "--no-follow", "--run", "TR0004", "--json")
    letter = json.loads(shell.southbound("tail", "dlq", *look).stdout)
    event = json.dumps({name: letter[name] for name in ("id", "type", "data")})
    again = shell.southbound("produce", "--redrive", "-", stdin=event)
    assert again.stdout.split("\t") == ["E4", "RunCancelled", "TR0004", f"{shell.prefix}testrun.lifecycle\n"]
    seen = json.loads(shell.southbound("tail", "lifecycle", *look).stdout)
    assert seen["data"] == letter["data"]
    assert seen["replay"].startswith("redrive-")


@pytest.mark.parametrize(("topic", "expected"), [("resluts", "did you mean results?"), ("dispatch.tin-lab", "apply")])
def test_tail_says_when_there_is_no_such_topic(shell: CommandShell, topic: str, expected: str) -> None:
    result = shell.southbound("tail", topic, "--no-follow")
    assert result.returncode in {ExitCode.INVALID_INPUT, ExitCode.UNREACHABLE}
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["topics", "plan"], ["tail", "dlq"], ["produce", "-"]], ids=" ".join)
def test_kafka_that_does_not_answer_is_one_sentence(empty_shell: CommandShell, words: list[str]) -> None:
    with reserve_port() as unused:
        nowhere = {"SOUTHBOUND_KAFKA__BOOTSTRAP": unused.address, "SOUTHBOUND_KAFKA__START_TIMEOUT": "0.1"}
        result = empty_shell.southbound(*words, stdin=EVENTS, **nowhere)
    assert result.returncode == ExitCode.UNREACHABLE
    [sentence] = result.stderr.splitlines()
    assert sentence.startswith("southbound: Kafka does not answer: check that it runs and that `kafka.bootstrap`")


def test_run_waits_for_kafka_and_gives_up_in_the_end(empty_shell: CommandShell) -> None:
    with reserve_port() as unused:
        nowhere = {"SOUTHBOUND_KAFKA__BOOTSTRAP": unused.address, "SOUTHBOUND_KAFKA__START_TIMEOUT": "2.5"}
        result = empty_shell.southbound("run", **nowhere)
    assert result.returncode == ExitCode.UNREACHABLE
    waiting, given_up = result.stderr.splitlines()
    assert json.loads(waiting)["event"] == "waiting"
    assert given_up.startswith("southbound: Kafka does not answer")


def test_missing_topics_are_named_with_the_command_that_creates_them(empty_shell: CommandShell) -> None:
    result = empty_shell.southbound("run", SOUTHBOUND_KAFKA__PREFIX="nowhere.", SOUTHBOUND_KAFKA__START_TIMEOUT="3")
    assert result.returncode == ExitCode.UNREACHABLE
    sentence = result.stderr.splitlines()[-1]
    assert "nowhere.testrun.lifecycle" in sentence
    assert sentence.endswith("run `southbound topics apply`")


@pytest.mark.parametrize("section", ["LISTENER", "HEALTH"])
def test_a_port_that_is_taken_is_named(shell: CommandShell, section: str) -> None:
    with a_listening_port() as port:
        result = shell.southbound("run", **{f"SOUTHBOUND_{section}__PORT": str(port)})
    assert result.returncode == ExitCode.UNREACHABLE
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith(f"southbound: port {port} is taken")


def test_run_stops_cleanly_on_a_signal_and_leaves_its_groups(shell: CommandShell) -> None:
    group = f"{shell.variables['SOUTHBOUND_KAFKA__GROUP']}.routing"
    with shell.started("run", "routing") as service:
        service.wait_until(lambda: group_member_count(shell, group) == 1, "a member of the group")
        assert service.stop_with_signal(signal.SIGTERM) == ExitCode.SUCCESS
    assert group_member_count(shell, group) == 0
    assert json.loads(service.err.read_text().splitlines()[-1])["event"] == "stopped"


def test_why_shows_what_a_service_decided_and_stored(shell: CommandShell) -> None:
    service_of = "related_service: {id: S}"
    ids = "run_id: TR0500-1, parent_run_id: TR0500, root_run_id: TR0500"
    child = f"{{{ids}, name: c, test_specification: {{id: c}}, {service_of}}}"
    root = f"{{run_id: TR0500, name: r, test_specification: {{id: fibre-tree}}, {service_of}, children: [{child}]}}"
    with shell.started("run", "routing") as service:
        shell.southbound("produce", "-", stdin=f"{{type: RunRequested, data: {{run: {root}}}}}")
        service.wait_until(
            lambda: "TR0500 is in phase" in shell.southbound("why", "TR0500").stdout, "a run in the store"
        )
        output = shell.southbound("why", "TR0500-1").stdout
    assert "TR0500-1 goes to fibre-lab: it follows its root TR0500, decided by outbound-policy@" in output
    assert "#R10: `spec` is fibre-tree\n" in output
    assert "it was routed and waits to be sent to fibre-lab, after its parent TR0500 is accepted" in output


def test_a_draft_on_the_topic_is_explained_and_backtested_beside_what_is_live(shell: CommandShell) -> None:
    live = (DEFAULTS / "tables/spoke-selector.yaml").read_text()
    (shell.folder / "live.yaml").write_text(live)
    (shell.folder / "draft.yaml").write_text(live.replace("fibre-quick, ", ""))
    for words in (["live.yaml", "--comment", "first"], ["draft.yaml", "--comment", "try", "--draft"]):
        published = shell.southbound("tables", "publish", *words)
        assert published.returncode == ExitCode.SUCCESS, published.stderr
    run = "{run_id: TR0600, name: r, test_specification: {id: fibre-quick}, related_service: {id: S}}"
    explanations = [
        shell.southbound("tables", "explain", table, "--event", "-", stdin=run).stdout for table in SELECTORS
    ]
    assert "#S10 decides spoke fibre-lab" in explanations[0]
    assert "TR0600: no row of spoke-selector@" in explanations[1]
    shell.southbound("produce", "-", stdin=f"{{type: RunRequested, data: {{run: {run}}}}}")
    found = shell.southbound(
        "tables", "backtest", SELECTORS[1], "--since", "1h", "--json", SOUTHBOUND_ROUTING__TABLES="topic"
    )
    lost = next(change for change in json.loads(found.stdout)["changes"] if change["draft"]["row"] == "none")
    assert (lost["current"]["row"], lost["runs"]) == ("S10", ["TR0600"])


def test_run_can_be_interrupted_while_it_waits_for_kafka(empty_shell: CommandShell) -> None:
    with reserve_port() as unused, empty_shell.started("run", SOUTHBOUND_KAFKA__BOOTSTRAP=unused.address) as service:
        service.wait_for_output("waiting")
        assert service.stop_with_signal(signal.SIGINT) == ExitCode.INTERRUPTED


def test_a_demo_that_is_interrupted_deletes_its_topics(shell: CommandShell) -> None:
    admin = AdminClient({"bootstrap.servers": shell.bootstrap})

    def topics_of_a_demo() -> list[str]:
        return [name for name in admin.list_topics(timeout=60).topics if name.startswith(f"{shell.prefix}demo-")]

    with shell.started("demo") as demo:
        demo.wait_until(lambda: bool(topics_of_a_demo()), "topics of the demo")
        assert demo.stop_with_signal(signal.SIGINT) == ExitCode.INTERRUPTED, demo.output
        assert "Traceback" not in demo.output
    deadline = time.monotonic() + COMMAND_TIMEOUT
    while left := topics_of_a_demo():  # the broker may list deleted topics for a moment
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("twice", "drain"), [(False, "0.3"), (True, "30")], ids=["the drain is too short", "a second signal"]
)
async def test_run_exits_unclean_when_something_under_way_did_not_finish(
    shell: CommandShell,
    twice: bool,  # noqa: FBT001 - a parameter of the test
    drain: str,
) -> None:
    """The external system takes a minute to answer, so the stop cannot wait for it."""
    async with ExternalSystem(name="fibre-lab", script=Script(default=completes_immediately()), latency=60) as system:
        variables = {
            "SOUTHBOUND_ROUTING__SPOKES": write_profiles(shell, system.base_url),
            "SOUTHBOUND_WORKER__DRAIN": drain,
            # Topics of its own: a gateway with an empty store refuses those that another gateway has written.
            "SOUTHBOUND_KAFKA__PREFIX": f"{shell.prefix}{uuid.uuid4().hex[:8]}.",
            "SOUTHBOUND_STORE__URL": f"sqlite+aiosqlite:///{shell.folder}/southbound.db",
        }
        assert shell.southbound("topics", "apply", **variables).returncode == ExitCode.SUCCESS
        code = await asyncio.to_thread(_stopped_while_sending, shell, system, variables, twice=twice)
    assert code == ExitCode.UNCLEAN_SHUTDOWN


def test_the_external_systems_run_until_they_are_stopped(shell: CommandShell) -> None:
    port = a_quiet_port(neighbours=3)
    with shell.started("simulate", "--port", str(port)) as systems:
        systems.wait_for_output(f"copper-lab\thttp://127.0.0.1:{port + 1}/tmf-api")
        assert systems.stop_with_signal(signal.SIGTERM) == ExitCode.SUCCESS


def test_the_systems_of_a_scenario_run_until_they_are_stopped(empty_shell: CommandShell) -> None:
    text = "seed: 7\nsystems: [{name: old, preset: r18.5}, {name: jobs, preset: jobs}]\n"
    (empty_shell.folder / "systems.yaml").write_text(text)
    with empty_shell.started("simulate", "--scenario", "systems.yaml") as systems:
        systems.wait_for_output("jobs\thttp://127.0.0.1:")
        assert systems.stop_with_signal(signal.SIGTERM) == ExitCode.SUCCESS
        assert "Seed 7." in (empty_shell.folder / "stderr.txt").read_text()


def test_a_broker_runs_until_it_is_stopped(empty_shell: CommandShell) -> None:
    port = a_quiet_port()
    with empty_shell.started("broker", "--port", str(port)) as broker:
        broker.wait_for_output(f"127.0.0.1:{port}\n")
        here = {"SOUTHBOUND_KAFKA__BOOTSTRAP": f"127.0.0.1:{port}"}
        assert "to be created" in empty_shell.southbound("topics", "plan", **here).stdout
        assert broker.stop_with_signal(signal.SIGTERM) == ExitCode.SUCCESS
    with reserve_port(port):
        """The port is free again."""


def test_a_broker_whose_port_is_taken_does_not_start(empty_shell: CommandShell) -> None:
    with a_listening_port() as port:
        result = empty_shell.southbound("broker", "--port", str(port))
    assert result.returncode == ExitCode.UNREACHABLE
    assert f"Port {port} is taken" in result.stderr.splitlines()[-1]


@contextmanager
def a_listening_port() -> Iterator[int]:
    """Listen on a port as a server does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def group_member_count(shell: CommandShell, group: str) -> int:
    """Return the number of members of a consumer group; 0 while its coordinator is being found."""
    admin = AdminClient({"bootstrap.servers": shell.bootstrap})
    [future] = admin.describe_consumer_groups([group], request_timeout=60).values()
    try:
        return len(future.result(60).members)
    except KafkaException:
        return 0


def write_profiles(shell: CommandShell, url: str) -> str:
    """Write profiles for both systems of the shipped selector; the test uses only one of them."""
    folder = shell.folder / "spokes"
    folder.mkdir()
    for name in ("fibre-lab", "copper-lab"):
        (folder / f"{name}.yaml").write_text(f"name: {name}\nbase_url: {url}\ntimeouts: {{read: 60, total: 90}}\n")
    return str(folder)


def _stopped_while_sending(
    shell: CommandShell, system: ExternalSystem, variables: Mapping[str, str], *, twice: bool
) -> int:
    run_id = f"TR{uuid.uuid4().hex[:8]}"
    run = {
        "run_id": run_id,
        "name": run_id,
        "test_specification": {"id": "fibre-quick"},
        "related_service": {"id": "S1"},
    }
    event = json.dumps({"type": "RunRequested", "data": {"run": run}})
    assert shell.southbound("produce", "-", stdin=event, **variables).returncode == ExitCode.SUCCESS
    with shell.started("run", "routing", "dispatch", "--spoke", "fibre-lab", **variables) as service:
        service.wait_until(lambda: any(request.method == "POST" for request in system.received), "a POST")
        if twice:
            # Two signals at the same moment would be delivered as one.
            service.process.send_signal(signal.SIGTERM)
            service.wait_for_output('"event":"stopping"')
        return service.stop_with_signal(signal.SIGTERM)
