"""Drafts, versions, history and rollback on the command line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from consumers.table_topic.publish_plan import plan_publish
from consumers.table_topic.published_tables import PublishedTables
from schemas.published_tables import LivePointer
from southbound.exit_codes import ExitCode
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
    """A tables topic on which another publisher may be faster."""

    quicker: PublishPlan | None = None

    async def write(self, plan: PublishPlan) -> None:
        if self.quicker is not None:
            self.put(*[(key.encode(), value) for key, value in self.quicker.records.items()])
        await super().write(plan)


@pytest.fixture(autouse=True)
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedTopic:
    """The topic that the commands use in place of Kafka's."""
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
    """Return a copy of the file in which row R30 accepts slower lines as well."""
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


def test_a_published_file_is_shown_byte_for_byte(file: Path) -> None:
    file.write_text(POLICY + "\n\n# the end\n\n")
    version = publish_version(str(file))
    assert run_tables_command("show", "outbound-policy") == file.read_text()
    (shown,) = json_objects("show", "outbound-policy")
    assert (shown["version"], shown["kind"], shown["text"]) == (version, "policy", file.read_text())


def test_a_published_table_is_exported_in_any_format(file: Path, tmp_path: Path) -> None:
    publish_files(file)
    run_tables_command("export", "outbound-policy", "--to", "xlsx", "-o", str(tmp_path / "live.xlsx"))
    assert run_tables_command("diff", str(tmp_path / "live.xlsx"), str(file), "--json") == ""


def test_the_version_of_a_file_is_the_one_that_check_says(file: Path) -> None:
    assert f"outbound-policy@{publish_version(str(file))}" in run_tables_command("check", str(file))


def test_publishing_prints_what_changes(file: Path) -> None:
    first = publish_version(str(file))
    output = run_tables_command("publish", str(wider(file)), *SIGNATURE_OPTIONS)
    assert f"(previous: {first})" in output
    assert "  row R30: cell 'speed' >= 1000 → >= 999\n" in output


def test_the_live_version_is_not_published_again(file: Path, topic: PublishedTopic) -> None:
    publish_version(str(file))
    records = len(topic.log)
    result = southbound("tables", "publish", str(file))
    assert result.exit_code == ExitCode.SUCCESS
    assert "is live already" in result.stderr
    assert len(topic.log) == records


def test_the_history_shows_author_action_and_comment(file: Path) -> None:
    first, second = publish_version(str(file), *SIGNATURE_OPTIONS), publish_version(str(wider(file)), "--author", "ben")
    moves = json_objects("history", "outbound-policy")
    assert [(move["version"], move["previous"], move["author"], move["comment"]) for move in moves] == [
        (second, first, "ben", ""),
        (first, None, "ann", "why not"),
    ]
    assert re.search(rf"{first}\s+publish\s+ann\s+why not", run_tables_command("history", "outbound-policy"))


def test_a_rollback_makes_the_previous_version_live_and_prints_what_changes(file: Path) -> None:
    first, second = publish_version(str(file)), publish_version(str(wider(file)))
    output = run_tables_command("rollback", "outbound-policy", *SIGNATURE_OPTIONS)
    assert f"outbound-policy@{first} is live (previous: {second})" in output
    assert "row R30: cell 'speed' >= 999 → >= 1000" in output
    assert json_objects("list")[0]["live"] == first
    assert f"{second} is live" in run_tables_command("rollback", "outbound-policy", second)


def test_a_rollback_to_a_version_that_does_not_exist_is_refused(file: Path) -> None:
    publish_version(str(file))
    assert "has no version before" in run_refused_command("rollback", "outbound-policy")
    assert "has no version 0badc0de: see `southbound tables history" in run_refused_command(
        "rollback", "outbound-policy", "0badc0de"
    )


def test_a_rollback_to_a_selector_whose_spoke_has_no_profile_is_refused(tmp_path: Path) -> None:
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
    ("mistake", "expected"),
    [
        (('">= 1000"', '"[1..5"'), "row R30, column 'speed': interval \"[1..5\" is not closed"),
        (("expect: {row: R10,", "expect: {row: R20,"), "test 'a fibre tree is sent as a whole' expected row R20"),
        (("hierarchical, type: boolean", "hierarchical, type: string"), "a policy needs the output"),
    ],
)
def test_an_invalid_table_is_never_published(
    file: Path, topic: PublishedTopic, mistake: tuple[str, str], expected: str
) -> None:
    file.write_text(POLICY.replace(*mistake))
    assert expected in run_refused_command("publish", str(file))
    assert topic.log == []


def test_a_selector_that_names_a_spoke_without_a_profile_is_never_published(
    tmp_path: Path, topic: PublishedTopic
) -> None:
    selector = tmp_path / "selector.yaml"
    selector.write_text(SELECTOR.replace("then: {spoke: copper-lab}", "then: {spoke: cooper-lab}", 1))
    error = run_refused_command("publish", str(selector))
    assert re.search(r"selector.yaml:\d+: row S20, output 'spoke': .*cooper-lab", error)
    assert topic.log == []


def test_a_table_under_the_id_of_the_workers_policy_must_be_a_policy(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(a_table_text(table="my-policy"))
    publish_version(str(table))
    result = southbound("tables", "publish", str(table), SOUTHBOUND_ROUTING__POLICY_ID="my-policy")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "a policy needs the output" in result.stderr


def test_a_spreadsheet_is_published_as_equivalent_yaml(file: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "policy.xlsx"
    run_tables_command("export", str(file), "--to", "xlsx", "-o", str(sheet))
    version = publish_version(str(sheet))
    assert f"@{version}" in run_tables_command("check", str(sheet))
    assert run_tables_command("diff", str(file), "outbound-policy") == ""


def test_a_table_that_is_too_large_for_kafka_is_refused(tmp_path: Path, topic: PublishedTopic) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(a_table_text() + f"# {'x' * 900_000}\n")
    assert "the limit is 900,000" in run_refused_command("publish", str(table))
    assert topic.log == []


def test_a_publisher_that_was_overtaken_is_refused_with_the_name_of_the_other(
    file: Path, topic: PublishedTopic
) -> None:
    file.write_text(a_table_text("mine"))
    topic.quicker = plan_publish(PublishedTables(), an_authored_table(a_table_text("theirs")), a_signature("ben"))
    error = run_refused_command("publish", str(file))
    their_version = an_authored_table(a_table_text("theirs")).version
    assert f"nothing was written, because ben made a-table@{their_version} live meanwhile" in error
    live = PublishedTables().with_records(topic.log).live("a-table")
    assert isinstance(live, LivePointer)
    assert live.author == "ben"


def test_two_files_are_compared_without_kafka(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_shelf, "table_topic", None)
    other = tmp_path / "other.yaml"
    other.write_text(POLICY)
    wider(other)
    changes = json_objects("diff", str(file), str(other))
    assert changes[0]["sentence"] == "row R30: cell 'speed' >= 1000 → >= 999"
    assert {change["kind"] for change in changes} == {"row", "test"}
    errors = southbound("tables", "diff", str(file.with_name("none.yaml")), str(file.with_name("nothing.yaml"))).stderr
    assert [name in errors for name in ("none.yaml", "nothing.yaml")] == [True, True]
    assert southbound("tables", "diff", str(file), str(file)).stderr.strip().endswith("layout and comments at most")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["show", "outbound-polizy"],
            "neither a file nor a published table outbound-polizy: did you mean outbound-policy?",
        ),
        (["history", "nothing"], "see `southbound tables list`"),
        (["publish", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["diff", "outbound-policy@draft", "outbound-policy"], "outbound-policy has no draft"),
        (["publish", "policy.yaml", "--comment", "x" * 501], "--comment has 501 characters and the limit is 500"),
    ],
)
def test_a_table_or_version_that_does_not_exist_is_one_sentence(file: Path, words: list[str], expected: str) -> None:
    publish_version(str(file))
    assert expected in run_refused_command(*words)


def test_a_damaged_pointer_is_listed_with_the_remedy(file: Path, topic: PublishedTopic) -> None:
    publish_version(str(file))
    topic.put((b"outbound-policy", b"{"))
    (entry,) = json_objects("list")
    assert entry["live"] == "unreadable"
    assert "publish one with `southbound tables publish FILE`" in run_refused_command("history", "outbound-policy")
    publish_version(str(file))
    assert json_objects("list")[0]["live"] != "unreadable"


def test_json_is_printed_even_when_nothing_was_written(file: Path) -> None:
    (first,) = json_objects("publish", str(file))
    (again,) = json_objects("publish", str(file))
    (restored,) = json_objects("rollback", "outbound-policy", str(first["version"]))
    assert (first["changed"], again["changed"], restored["changed"]) == (True, False, False)
    assert first["version"] == again["version"] == again["previous"] == restored["version"]


def test_a_version_is_printed_as_other_commands_accept_it(file: Path) -> None:
    first = publish_version(str(file))
    publish_version(str(wider(file)))
    assert run_tables_command("show", f"outbound-policy@{first}") == POLICY


def test_publishing_a_version_that_was_live_as_a_draft_is_explained(file: Path) -> None:
    name = f"outbound-policy@{publish_version(str(file))}"
    assert f"{name} is a version: make it live with `southbound tables rollback" in run_refused_command("publish", name)


@pytest.mark.parametrize("command", ["show", "history", "rollback"])
def test_a_file_given_for_a_published_table_is_refused_with_the_reason(command: str, file: Path) -> None:
    publish_version(str(file))
    assert f"{file} is a file: name a published table" in run_refused_command(command, str(file))


def test_a_failing_saved_test_and_an_unreachable_row_are_both_reported(file: Path) -> None:
    rows = "rows:\n  - {id: R5, when: {}, then: {hierarchical: true, payload: per-run}}\n"
    file.write_text(POLICY.replace("rows:\n", rows))
    error = run_refused_command("publish", str(file))
    assert "got row R5" in error
    assert "row R10 is never reached" in error
