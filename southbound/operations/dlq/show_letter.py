"""Run `southbound dlq show` and `southbound dlq export`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.table import Table

from schemas.codec.errors import UndecodableError
from schemas.codec.printable import excerpt, printable
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_result, print_status, print_text
from southbound.operations.dlq.advice import advise
from southbound.operations.dlq.dlq_topic import ALL_STATES, open_dlq
from southbound.operations.dlq.edits.edit_letters import unchecked_event
from southbound.operations.dlq.letter import shown_header, text_of
from southbound.operations.dlq.letter_filter import LetterOptions
from southbound.operations.dlq.letter_status import LetterState
from southbound.operations.dlq.list_letters import letter_facts
from southbound.operations.kafka import make_envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.codec.envelope import Envelope
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_status import ClosedLetters, LetterClosure
    from southbound.settings.settings import Settings

_OPEN = frozenset({LetterState.OPEN})


def show_letter(settings: Settings, id_: str, *, event_only: bool, value_only: bool, as_json: bool) -> int:
    """Run `southbound dlq show`.

    Raises:
        CommandFailedError: there is no such dead letter, with `event_only` its value is neither an event nor JSON, or
            Kafka does not answer.
    """
    with open_dlq(settings, LetterOptions(ids=(id_,))) as topic:
        closed = topic.read_closed()
        letter = next(topic.letters(closed, topic.ranges(), ALL_STATES), None)
    if letter is None:
        raise invalid_input([f"There is no dead letter {id_}: `southbound dlq list --all` shows those that are kept"])
    if value_only:
        sys.stdout.buffer.write(letter.value or b"")
        return ExitCode.SUCCESS
    content = _content(letter, asyncio.run(make_envelope(settings, "/southbound/dlq")))
    if event_only:
        print_json(_event_json(letter, content))
    elif as_json:
        print_json(json.dumps(_whole(letter, closed, content)))
    else:
        print_result(_letter_grid(letter, closed))
        print_text("\n" + _content_text(letter, content))
        is_closed = closed.closure_of(letter) is not None
        advice = "It is closed; nothing is to be done." if is_closed else advise(letter, is_event="event" in content)
        print_text(f"\n{advice}")
    return ExitCode.SUCCESS


def export_letters(settings: Settings, chosen: LetterOptions, *, closed_too: bool, out: Path | None) -> int:
    """Run `southbound dlq export`: one JSON object per line, each with the whole record.

    Raises:
        CommandFailedError: an option is wrong, the file cannot be written, or Kafka does not answer.
    """
    count = 0
    envelope = None
    with open_dlq(settings, chosen) as topic, _opened(out) as file:
        closed = topic.read_closed()
        for letter in topic.letters(closed, topic.ranges(), ALL_STATES if closed_too else _OPEN):
            envelope = envelope or asyncio.run(make_envelope(settings, "/southbound/dlq"))
            line = json.dumps(_whole(letter, closed, _content(letter, envelope)))
            if file is None:
                print_json(line)
            else:
                file.write(f"{line}\n")
            count += 1
    print_status(f"{count_noun(count, 'dead letter')} exported{f' to {out}' if out else ''}")
    return ExitCode.SUCCESS


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO | None]:
    """Open a file beside `out`, which takes its name when it is complete."""
    if out is None:
        yield None
        return
    if out.is_symlink() or (out.exists() and not out.is_file()):
        raise invalid_input([f"{out}: is no file: name a file"])
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        # Only its owner may read it: the records have what customers ordered.
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - with a mode
            yield file
        beside.replace(out)
    except OSError as error:
        raise invalid_input([f"{out}: cannot be written ({error.strerror}): correct the path"]) from None
    finally:
        beside.unlink(missing_ok=True)


def _content(letter: Letter, envelope: Envelope) -> dict[str, object]:
    """Return the event of the original record, or its bytes and why they are none."""
    try:
        event = envelope.decode(letter.value, letter.headers, fallback_id=letter.position_id)
    except UndecodableError as error:
        value = b64encode(letter.value).decode() if letter.value is not None else None
        return {"error": error.sentence, "value_base64": value}
    data = event.data.model_dump(mode="json", exclude_none=True)
    return {"event": {"type": type(event.data).__name__, "id": event.id, "data": data}}


def _whole(letter: Letter, closed: ClosedLetters, content: dict[str, object]) -> dict[str, object]:
    headers = [[name, shown_header(name, raw) if raw is not None else None] for name, raw in letter.headers]
    return {**letter_facts(letter, closed), "headers": headers, **content}


def _event_json(letter: Letter, content: dict[str, object]) -> str:
    event = content.get("event")
    if event is None and (event := unchecked_event(letter)) is not None:
        print_status(f"not valid yet: {content['error']}")
    if event is None:
        sentence = (
            f"The value of {letter.id} is no event ({content['error']}): `southbound dlq show {letter.id} --value` "
            "writes its bytes, and `--edit FILE --raw` takes corrected ones"
        )
        raise invalid_input([sentence])
    return json.dumps(event, indent=2, ensure_ascii=False)


def _letter_grid(letter: Letter, closed: ClosedLetters) -> Table:
    grid = Table.grid(padding=(0, 2))
    closure = closed.closure_of(letter)
    place = f"{letter.topic}[{letter.why.get('partition')}] offset {letter.why.get('offset')}" if letter.topic else ""
    tries = f"{letter.why.get('attempts', '?')}, from {letter.first_time or '?'} to {letter.why.get('time', '?')}"
    rows = (
        ("dead letter", str(letter.id)),
        ("state", _state_text(closure)),
        ("reason", f"{letter.code} ({letter.error_class}): {letter.reason}"),
        ("detail", letter.why.get("detail", "")),
        ("run", letter.run),
        ("spoke", letter.spoke),
        ("decision", letter.why.get("decision", "")),
        ("from", place),
        ("producer", letter.source),
        ("key", text_of(letter.key)),
        ("attempts", tries),
        ("redrives", str(letter.redrives)),
        ("given up by", f"{letter.why.get('role', '')} (group {letter.why.get('group', '')})"),
        ("headers", "\n".join(f"{name}: {shown_header(name, raw)}" for name, raw in letter.headers)),
    )
    for name, text in rows:
        if text:
            grid.add_row(name, "\n".join(map(printable, text.split("\n"))))
    return grid


def _state_text(closure: LetterClosure | None) -> str:
    if closure is None:
        return LetterState.OPEN.value
    redrive = f" as {closure.redrive}" if closure.redrive else ""
    comment = f": {closure.comment}" if closure.comment else ""
    edited = f", edited: {closure.edited}" if closure.edited else ""
    return f"{closure.state} by {closure.by} at {closure.at.isoformat(timespec='seconds')}{redrive}{edited}{comment}"


def _content_text(letter: Letter, content: dict[str, object]) -> str:
    if "event" in content:
        return json.dumps(content["event"], indent=2, ensure_ascii=False)
    if letter.value is None:
        return f"no value: {content['error']}"
    if (event := unchecked_event(letter)) is not None:
        return f"{json.dumps(event, indent=2, ensure_ascii=False)}\n\nnot valid: {content['error']}"
    return f"{count_noun(len(letter.value), 'byte')} '{excerpt(letter.value)}': {content['error']}"
