"""A script sets the behaviour for the tests of each specification."""

from pathlib import Path

import pytest

from schemas.vocabulary import RunState
from southbound.simulator.behaviours import completes_by_callback, completes_immediately, stays_pending
from southbound.simulator.script import Script, ScriptError, demo_script, read_script

SPECIFICATIONS_OF_THE_DEMO = {
    "fibre-quick",
    "fibre-line",
    "fibre-slow",
    "fibre-tree",
    "fibre-tree-child",
    "fibre-flat",
    "fibre-change",
    "fibre-cancel",
    "copper-refused",
    "copper-busy",
    "copper-line",
}


def write_script(folder: Path, text: str) -> Path:
    file = folder / "script.yaml"
    file.write_text(text)
    return file


def test_a_specification_that_is_not_named_gets_the_default() -> None:
    script = Script(
        specifications={"a": completes_by_callback()}, default=completes_immediately(violate_threshold=True)
    )
    assert script.behaviour_for("b").violate_threshold
    assert not script.behaviour_for("a").violate_threshold


def test_a_child_can_be_treated_differently() -> None:
    script = Script(specifications={"a": completes_immediately()}, children={"a": completes_by_callback()})
    assert script.behaviour_for("a").initial_state is RunState.COMPLETED
    assert script.behaviour_for("a", child=True).initial_state is RunState.ACKNOWLEDGED


def test_a_child_without_its_own_rule_gets_that_of_its_specification() -> None:
    script = Script(specifications={"a": completes_by_callback()})
    assert script.behaviour_for("a", child=True) == script.behaviour_for("a")


def test_the_demo_has_a_behaviour_for_every_line_of_its_scenario() -> None:
    assert set(demo_script().specifications) == SPECIFICATIONS_OF_THE_DEMO


def test_unlimited_waiting_has_no_step_after_pending() -> None:
    assert [step.state for step in stays_pending(None).transitions] == [RunState.PENDING]
    assert stays_pending(2.0).transitions[-1].state is RunState.COMPLETED


def test_a_script_is_read_from_yaml(tmp_path: Path) -> None:
    text = """
default: {refusals: [{code: unknown, message: no such specification}]}
specifications:
  fibre:
    busy_times: 1
    transitions: [{after: 0.5, state: inProgress}, {state: completed}]
"""
    script = read_script(write_script(tmp_path, text))
    assert script.behaviour_for("other").refusals[0].code == "unknown"
    assert [(step.after, step.state) for step in script.behaviour_for("fibre").transitions] == [
        (0.5, RunState.IN_PROGRESS),
        (0.0, RunState.COMPLETED),
    ]


def test_an_empty_script_completes_everything_at_once(tmp_path: Path) -> None:
    assert read_script(write_script(tmp_path, "")).behaviour_for("any").initial_state is RunState.COMPLETED


def test_all_mistakes_are_reported_at_once_with_their_places(tmp_path: Path) -> None:
    text = "specifications:\n  a: {busy_times: -1}\n  b: {transitions: [{state: exploded}], colour: red}\n"
    with pytest.raises(ScriptError) as raised:
        read_script(write_script(tmp_path, text))
    lines = str(raised.value).splitlines()
    assert len(lines) == 3
    assert [line.partition("script.yaml:")[2] for line in lines[::2]] == [
        "2: field 'specifications.a.busy_times': must be greater than or equal to 0",
        "3: field 'specifications.b.colour': no such field: remove it or correct its name",
    ]
    assert "script.yaml:3: field 'specifications.b.transitions.0.state': must be " in lines[1]


@pytest.mark.parametrize("text", ["a: [", "- just\n- a list\n", "a: 1\na: 2\n"])
def test_an_invalid_script_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScriptError, match=r"script\.yaml"):
        read_script(write_script(tmp_path, text))


def test_a_script_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ScriptError, match=r"nowhere\.yaml:1: cannot be read as text \(No such file .*\): name a script"
    ):
        read_script(tmp_path / "nowhere.yaml")
