"""Drafts, versions, history and the way back, as an operator sees them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from consumers.table_topic.publish_plan import plan_publish
from consumers.table_topic.published_tables import PublishedTables
from schemas.published_tables import LivePointer
from southbound.cli.exit_codes import ExitCode
from southbound.operations.tables import lookup as table_shelf
from southbound.settings.settings import DEFAULTS
from tests.builders.published_tables import a_signature, a_table_text, an_authored_table
from tests.fakes.table_topic import InMemoryTableTopic
from tests.harness.command_line import southbound

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.table_topic.publish_plan import PublishPlan

POLICY = (DEFAULTS / "tables/outbound-policy.yaml").read_text()
SELECTOR = (DEFAULTS / "tables/spoke-selector.yaml").read_text()
SIGNATURE_OPTIONS = ("--author", "ann", "--comment", "why not")


class PublishedTopic(InMemoryTableTopic):
    """A tables topic where somebody else may be quicker."""

    quicker: PublishPlan | None = None

    async def write(self, plan: PublishPlan) -> None:
        if self.quicker is not None:
            self.put(*[(key.encode(), value) for key, value in self.quicker.records.items()])
        await super().write(plan)


@pytest.fixture(autouse=True)
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedTopic:
    """What the commands take for Kafka."""
    found = PublishedTopic()
    monkeypatch.chdir(tmp_path)
    found.install(monkeypatch)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def wider(file: Path) -> Path:
    """Let row R30 take slower lines too."""
    file.write_text(
        file.read_text().replace('speed: ">= 1000"', 'speed: ">= 999"').replace("speed: 999.9}", "speed: 99.9}")
    )
    return file


def publish_files(*files: Path) -> list[str]:
    return [publish_version(str(file), *SIGNATURE_OPTIONS) for file in files]


def publish_version(*words: str) -> str:
    result = southbound("tables", "publish", *words)
    assert result.exit_code == ExitCode.SUCCESS, result.stderr
    (version,) = re.findall(r"@([0-9a-f]{8}) is live", result.stdout)
    return str(version)


def run_tables_command(*words: str) -> str:
    result = southbound("tables", *words)
    assert result.exit_code == ExitCode.SUCCESS, result.stderr
    return result.stdout


def json_objects(*words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run_tables_command(*words, "--json").splitlines()]


def run_refused_command(*words: str) -> str:
    result = southbound("tables", *words)
    assert result.exit_code == ExitCode.INVALID_INPUT, result.stdout
    return result.stderr


def test_a_published_file_comes_back_as_the_very_same_file(file: Path) -> None:
    file.write_text(POLICY + "\n\n# the end\n\n")
    version = publish_version(str(file))
    assert run_tables_command("show", "outbound-policy") == file.read_text()
    (shown,) = json_objects("show", "outbound-policy")
    assert (shown["version"], shown["kind"], shown["text"]) == (version, "policy", file.read_text())


def test_a_published_table_goes_out_in_any_format(file: Path, tmp_path: Path) -> None:
    publish_files(file)
    run_tables_command("export", "outbound-policy", "--to", "xlsx", "-o", str(tmp_path / "live.xlsx"))
    assert run_tables_command("diff", str(tmp_path / "live.xlsx"), str(file), "--json") == ""


def test_the_version_of_a_file_is_the_one_that_check_says(file: Path) -> None:
    assert f"outbound-policy@{publish_version(str(file))}" in run_tables_command("check", str(file))


def test_publishing_says_what_changes(file: Path) -> None:
    first = publish_version(str(file))
    told = run_tables_command("publish", str(wider(file)), *SIGNATURE_OPTIONS)
    assert f"(previous: {first})" in told
    assert "  row R30: cell 'speed' >= 1000 → >= 999\n" in told


def test_what_is_live_already_is_not_published_again(file: Path, topic: PublishedTopic) -> None:
    publish_version(str(file))
    records = len(topic.log)
    result = southbound("tables", "publish", str(file))
    assert result.exit_code == ExitCode.SUCCESS
    assert "is live already" in result.stderr
    assert len(topic.log) == records


def test_the_history_says_who_did_what_and_why(file: Path) -> None:
    first, second = publish_version(str(file), *SIGNATURE_OPTIONS), publish_version(str(wider(file)), "--author", "ben")
    moves = json_objects("history", "outbound-policy")
    assert [(move["version"], move["previous"], move["author"], move["comment"]) for move in moves] == [
        (second, first, "ben", ""),
        (first, None, "ann", "why not"),
    ]
    assert re.search(rf"{first}\s+publish\s+ann\s+why not", run_tables_command("history", "outbound-policy"))


def test_a_rollback_brings_the_version_before_back_and_says_what_changes(file: Path) -> None:
    first, second = publish_version(str(file)), publish_version(str(wider(file)))
    told = run_tables_command("rollback", "outbound-policy", *SIGNATURE_OPTIONS)
    assert f"outbound-policy@{first} is live (previous: {second})" in told
    assert "row R30: cell 'speed' >= 999 → >= 1000" in told
    assert json_objects("list")[0]["live"] == first
    assert f"{second} is live" in run_tables_command("rollback", "outbound-policy", second)


def test_a_rollback_needs_a_version_that_there_is(file: Path) -> None:
    publish_version(str(file))
    assert "has no version before" in run_refused_command("rollback", "outbound-policy")
    assert "has no version 0badc0de: see `southbound tables history" in run_refused_command(
        "rollback", "outbound-policy", "0badc0de"
    )


def test_a_rollback_to_a_selector_whose_spoke_is_gone_is_refused(tmp_path: Path) -> None:
    selector, spokes = tmp_path / "selector.yaml", tmp_path / "spokes"
    selector.write_text(SELECTOR)
    publish_version(str(selector))
    selector.write_text(SELECTOR.partition("\ntests:")[0].replace("copper-lab", "fibre-lab"))
    publish_version(str(selector))
    spokes.mkdir()
    (spokes / "fibre-lab.yaml").write_text((DEFAULTS / "spokes/fibre-lab.yaml").read_text())
    result = southbound("tables", "rollback", "spoke-selector", SOUTHBOUND_ROUTING__SPOKES=str(spokes))
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "copper-lab" in result.stderr


def test_a_draft_decides_nothing_until_it_is_published_by_its_id(file: Path) -> None:
    publish_version(str(file))
    draft = run_tables_command(
        "publish", str(wider(file)), "--draft", "--author", "cyd", "--comment", "slower lines too"
    )
    assert "outbound-policy@draft is saved" in draft
    (entry,) = json_objects("list")
    assert entry["live"] != entry["draft"]
    assert str(entry["draft"]).endswith("by cyd")
    assert run_tables_command("show", "outbound-policy", "--version", "draft") == file.read_text()
    assert "row R30" in run_tables_command("diff", "outbound-policy", "outbound-policy@draft")
    publish_version("outbound-policy", "--author", "ann")
    (entry,) = json_objects("list")
    assert (entry["draft"], entry["author"], entry["comment"]) == (None, "ann", "slower lines too")
    assert "has no draft" in run_refused_command("publish", "outbound-policy")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (('">= 1000"', '"[1..5"'), "row R30, column 'speed': interval \"[1..5\" is not closed"),
        (("expect: {row: R10,", "expect: {row: R20,"), "test 'a fibre tree goes out whole' expected row R20"),
        (("hierarchical, type: boolean", "hierarchical, type: string"), "a policy needs the output"),
    ],
)
def test_what_is_wrong_is_never_published(file: Path, topic: PublishedTopic, spoil: tuple[str, str], told: str) -> None:
    file.write_text(POLICY.replace(*spoil))
    assert told in run_refused_command("publish", str(file))
    assert topic.log == []


def test_a_selector_that_names_a_spoke_without_a_profile_is_never_published(
    tmp_path: Path, topic: PublishedTopic
) -> None:
    selector = tmp_path / "selector.yaml"
    selector.write_text(SELECTOR.replace("then: {spoke: copper-lab}", "then: {spoke: cooper-lab}", 1))
    told = run_refused_command("publish", str(selector))
    assert re.search(r"selector.yaml:\d+: row S20, output 'spoke': .*cooper-lab", told)
    assert topic.log == []


def test_a_table_under_the_id_of_the_workers_policy_must_be_a_policy(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(a_table_text(table="my-policy"))
    publish_version(str(table))
    result = southbound("tables", "publish", str(table), SOUTHBOUND_ROUTING__POLICY_ID="my-policy")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "a policy needs the output" in result.stderr


def test_a_spreadsheet_is_published_as_the_yaml_that_it_stands_for(file: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "policy.xlsx"
    run_tables_command("export", str(file), "--to", "xlsx", "-o", str(sheet))
    version = publish_version(str(sheet))
    assert f"@{version}" in run_tables_command("check", str(sheet))
    assert run_tables_command("diff", str(file), "outbound-policy") == ""


def test_a_table_that_kafka_would_not_take_is_refused(tmp_path: Path, topic: PublishedTopic) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(a_table_text() + f"# {'x' * 900_000}\n")
    assert "the limit is 900,000" in run_refused_command("publish", str(table))
    assert topic.log == []


def test_whoever_is_overtaken_is_told_by_whom_and_writes_nothing(file: Path, topic: PublishedTopic) -> None:
    file.write_text(a_table_text("mine"))
    topic.quicker = plan_publish(PublishedTables(), an_authored_table(a_table_text("theirs")), a_signature("ben"))
    told = run_refused_command("publish", str(file))
    theirs = an_authored_table(a_table_text("theirs")).version
    assert f"nothing was written, because ben made a-table@{theirs} live meanwhile" in told
    live = PublishedTables().with_records(topic.log).live("a-table")
    assert isinstance(live, LivePointer)
    assert live.author == "ben"


def test_two_files_are_compared_without_asking_anybody(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_shelf, "table_topic", None)
    other = tmp_path / "other.yaml"
    other.write_text(POLICY)
    wider(other)
    changes = json_objects("diff", str(file), str(other))
    assert changes[0]["sentence"] == "row R30: cell 'speed' >= 1000 → >= 999"
    assert {change["kind"] for change in changes} == {"row", "test"}
    both = southbound("tables", "diff", str(file.with_name("none.yaml")), str(file.with_name("nothing.yaml"))).stderr
    assert [name in both for name in ("none.yaml", "nothing.yaml")] == [True, True]
    assert southbound("tables", "diff", str(file), str(file)).stderr.strip().endswith("layout and comments at most")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["show", "outbound-polizy"],
            "neither a file nor a published table outbound-polizy: did you mean outbound-policy?",
        ),
        (["history", "nothing"], "see `southbound tables list`"),
        (["publish", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["diff", "outbound-policy@draft", "outbound-policy"], "outbound-policy has no draft"),
        (["publish", "policy.yaml", "--comment", "x" * 501], "--comment has 501 characters and 500 is the most"),
    ],
)
def test_what_there_is_not_is_said_in_one_sentence(file: Path, words: list[str], told: str) -> None:
    publish_version(str(file))
    assert told in run_refused_command(*words)


def test_a_damaged_pointer_is_listed_as_such_and_says_what_to_do(file: Path, topic: PublishedTopic) -> None:
    publish_version(str(file))
    topic.put((b"outbound-policy", b"{"))
    (entry,) = json_objects("list")
    assert entry["live"] == "unreadable"
    assert "publish one with `southbound tables publish FILE`" in run_refused_command("history", "outbound-policy")
    publish_version(str(file))
    assert json_objects("list")[0]["live"] != "unreadable"


def test_programs_were_told_nothing_when_nothing_was_written(file: Path) -> None:
    (first,) = json_objects("publish", str(file))
    (again,) = json_objects("publish", str(file))
    (back,) = json_objects("rollback", "outbound-policy", str(first["version"]))
    assert (first["changed"], again["changed"], back["changed"]) == (True, False, False)
    assert first["version"] == again["version"] == again["previous"] == back["version"]


def test_a_version_is_shown_by_the_name_that_other_commands_take(file: Path) -> None:
    first = publish_version(str(file))
    publish_version(str(wider(file)))
    assert run_tables_command("show", f"outbound-policy@{first}") == POLICY


def test_a_version_that_was_published_as_if_it_were_a_draft_was_told_nonsense(file: Path) -> None:
    name = f"outbound-policy@{publish_version(str(file))}"
    assert f"{name} is a version: make it live with `southbound tables rollback" in run_refused_command("publish", name)


@pytest.mark.parametrize("command", ["show", "history", "rollback"])
def test_a_file_was_said_not_to_be_there_where_only_a_published_table_will_do(command: str, file: Path) -> None:
    publish_version(str(file))
    assert f"{file} is a file: name a published table" in run_refused_command(command, str(file))


def test_a_failing_saved_test_hid_that_a_row_is_never_reached(file: Path) -> None:
    rows = "rows:\n  - {id: R5, when: {}, then: {hierarchical: true, payload: per-run}}\n"
    file.write_text(POLICY.replace("rows:\n", rows))
    told = run_refused_command("publish", str(file))
    assert "got row R5" in told
    assert "row R10 is never reached" in told
