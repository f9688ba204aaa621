"""Name the commands that can help with a dead letter: the same bytes fail again if they are what is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.text.json_pointer import pointer_to
from southbound.operations.dlq.edits.edit_letters import json_object_of, unchecked_event

if TYPE_CHECKING:
    from southbound.operations.dlq.letter import Letter

SAME_BYTES = "A plain redrive fails again, because the bytes are the same. It has to be edited or dropped:"
_OF_STREAMS = frozenset({"STREAM_RECORD_UNREADABLE", "ORDER_REFUSED"})
_WRONG_FIELD = re.compile(r"(?P<path>[\w-]+(?:\.[\w-]+|\[[0-9]{1,6}\])*) (?P<claim>.+)")
_STEP = re.compile(r"[\w-]+")


def advise(letter: Letter, *, is_event: bool) -> str:
    """Return the commands that can help with an open dead letter. `is_event`: its value can be read as an event now."""
    drop = _lines(("if it is not needed", f"drop {letter.id} --comment WHY"))
    return f"{_of_stream(letter) if letter.is_of_stream else _of_event(letter, is_event=is_event)}\n{drop}"


def _of_stream(letter: Letter) -> str:
    if letter.code in _OF_STREAMS and json_object_of(letter) is not None:
        return f"{SAME_BYTES}\n{_lines(*_field_commands(letter), *_value_commands(letter))}"
    return _plain(letter)


def _of_event(letter: Letter, *, is_event: bool) -> str:
    if letter.code == "WRONG_TOPIC":
        commands = (("print its event", f"show {letter.id} --event > event.json"), ("publish it", "produce event.json"))
        return f"A redrive fails again, because it goes to the same topic:\n{_lines(*commands)}"
    if is_event:
        return _plain(letter)
    if letter.value and unchecked_event(letter) is not None:
        return f"{SAME_BYTES}\n{_lines(*_field_commands(letter), *_event_commands(letter))}"
    if letter.value:
        return f"{SAME_BYTES}\n{_lines(*_value_commands(letter))}"
    return f"{SAME_BYTES}\n{_lines(('with an event', f'redrive {letter.id} --edit event.json'))}"


def _plain(letter: Letter) -> str:
    return _lines(("when its cause is repaired", f"redrive {letter.id}"))


def _field_commands(letter: Letter) -> tuple[tuple[str, str], ...]:
    edit = _suggested_edit(letter)
    return (
        ("correct a field", f"redrive {letter.id} {edit} --dry-run"),
        ("of all like it", f"redrive --reason {letter.code} {edit} --dry-run"),
    )


def _event_commands(letter: Letter) -> tuple[tuple[str, str], ...]:
    return (
        ("or edit its event", f"show {letter.id} --event > event.json"),
        ("and send it", f"redrive {letter.id} --edit event.json"),
    )


def _value_commands(letter: Letter) -> tuple[tuple[str, str], ...]:
    return (
        ("edit its bytes", f"show {letter.id} --value > value"),
        ("and send them", f"redrive {letter.id} --edit value --raw"),
    )


def _lines(*commands: tuple[str, str]) -> str:
    named = [(purpose, command if command.startswith("produce") else f"dlq {command}") for purpose, command in commands]
    return "\n".join(f"  {f'{purpose}:':<27} southbound {command}" for purpose, command in named)


def _suggested_edit(letter: Letter) -> str:
    """Return the option that would change the first wrong field, as the detail of the dead letter names it."""
    found = _WRONG_FIELD.fullmatch(letter.why.get("detail", "").partition("\n")[0])
    if found is None:
        return "--set /FIELD=VALUE"
    pointer = pointer_to(_STEP.findall(found["path"]))
    return f"--remove {pointer}" if found["claim"] == "is not a known field" else f"--set {pointer}=VALUE"
