"""Read the runs that `southbound tables explain` decides: events, a run document, or a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.selection.facts import facts_of
from router.selection.partial_facts import facts_from_example
from router.tables.diagnostics import Diagnostics, LineNumbers, TableErrors
from router.tables.facts import ExampleFactsError
from router.tables.formats.yaml_reader import read_yaml
from schemas.commands import ChangeRun, SendRun
from schemas.files.event_file import EventFileError, read_events
from schemas.files.located_tree import Block, locate, plain_data
from schemas.lifecycle import RunChanged, RunRequested
from southbound.exit_codes import invalid_input
from southbound.operations.input_file import read_input

if TYPE_CHECKING:
    from router.tables.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRun:
    """The facts of a run. A child is decided too, although the gateway uses the decision for its root."""

    run_id: str
    facts: Facts
    is_child: bool


def read_example_runs(file: str) -> list[ExampleRun]:
    """Read the runs of a file; `-` is standard input.

    Raises:
        CommandFailedError: with everything that is wrong with the file.
    """
    text, name = read_input(file, "a file with an event")
    document = _read_partial_document(text, name)
    return _runs_from_events(text, name) if document is None else [_run_from_document(document, name)]


def _read_partial_document(text: str, name: str) -> Block | None:
    """Return a mapping that is not an event; None if the text is anything else, such as events."""
    try:
        tree = read_yaml(text, name, Diagnostics(LineNumbers(name)))
    except TableErrors:
        return None
    is_event = isinstance(tree, Block) and "data" in tree.entries
    return tree if isinstance(tree, Block) and not is_event else None


def _run_from_document(tree: Block, name: str) -> ExampleRun:
    document = {key: plain_data(value) for key, value in tree.entries.items()}
    try:
        facts = facts_from_example(document)
    except ExampleFactsError as error:
        errors = zip(error.fields, error.sentences, strict=True)
        raise invalid_input([f"{name}:{locate(tree, field)[0]}: {sentence}" for field, sentence in errors]) from None
    return ExampleRun(
        run_id=str(document.get("run_id", "")), facts=facts, is_child=document.get("parent_run_id") is not None
    )


def _runs_from_events(text: str, name: str) -> list[ExampleRun]:
    try:
        events = read_events(text, file=name, new_id=lambda: "")
    except EventFileError as error:
        raise invalid_input(map(str, error.mistakes)) from None
    runs = [
        event.data.run for event in events if isinstance(event.data, RunRequested | RunChanged | SendRun | ChangeRun)
    ]
    if not runs:
        raise invalid_input(
            [f"{name}: none of its events has a run document: write a RunRequested, or the document itself"]
        )
    return [ExampleRun(run_id=run.run_id, facts=facts_of(run), is_child=run.parent_run_id is not None) for run in runs]
