"""A file from an outsider ends in a few sentences with file and line, in little memory, whichever command reads it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FAULTS = ROOT / "tests/data/faults"
MEMORY = 1_500_000_000  # bytes of address space; one of the files takes gigabytes if its aliases are repeated
CPU = 20  # seconds
PROGRAM = "from southbound.cli.app import main; main()"
COMMANDS = {
    "config check": ("config", "check", "--config"),
    "produce": ("produce",),
    "tables check": ("tables", "check"),
    "simulate": ("simulate", "--script"),
    "simulate a scenario": ("simulate", "--scenario"),
}
FILES = ("lol-config.yaml", "lol-event.yaml", "deep.yaml", "int.yaml", "date.yaml")


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))


def run(command: tuple[str, ...], file: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command, str(file)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "SOUTHBOUND_KAFKA__BOOTSTRAP": "127.0.0.1:1", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_file_ends_in_sentences(command: str, file: str) -> None:
    code, said = run(COMMANDS[command], FAULTS / file)
    assert code == 2, said
    assert f"{file}:" in said
    assert "Traceback" not in said


def test_a_number_of_64_bits_without_a_sign_is_refused_in_a_true_sentence(tmp_path: Path) -> None:
    data = (FAULTS / "number-of-64-bits.json").read_text()
    file = tmp_path / "events.json"
    file.write_text(f'{{"type": "RunRequested", "data": {data}}}')
    code, said = run(("produce",), file)
    assert code == 2
    assert "64 bits with a sign (-9223372036854775808 to 9223372036854775807); send it as text" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"? {}\n: 1\n", "1: a list or a block cannot name a value"),
        (b"? []\n: 1\n", "1: a list or a block cannot name a value"),
        (b"a: 1\na: 2\n", "2: a field is written twice: remove one"),
        (b"a:\n\tb: 1\n", "2: "),
        (b"a: \xff\n", "1: is not text in UTF-8: save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), "1: is text in UTF-16: save it as UTF-8"),
        (b"a: \x00\n", "1: "),
        (b"a: 1\n---\nb: 2\n", "2: a second YAML document begins here: remove it"),
        (b"a: 2026-02-31\n", "1: there is no date or time 2026-02-31"),
        (b"a: 2026-13-01T00:00:00Z\n", "1: there is no date or time 2026-13-01T00:00:00Z"),
        (b"a: !!python/object/apply:os.system [ls]\n", "1: "),
        (b"- " * 100_000, "1: nested deeper than 100 levels: remove some"),
        (b"a: &a [*a]\n", "1: "),
    ],
)
def test_settings_in_odd_yaml_end_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "southbound.yaml"
    file.write_bytes(content)
    code, said = run(COMMANDS["config check"], file)
    assert code == 2, said
    assert f"southbound.yaml:{sentence}" in said
    assert len(said.splitlines()) == 1


LARGE_FILES = {
    "a million wrong keys.json": lambda: a_request('"run": {' + numbered('"k{}":1', 999_990) + "}"),
    "a million wrong fields.json": lambda: a_request(numbered('"k{}":1', 999_990)),
    "a list of wrong measures.json": lambda: a_request('"run": {"test_measure": [' + "1," * 900_000 + "1]}"),
    "wrong events.json": lambda: "[" + numbered('{{"type": "T{}"}}', 99_000) + "]",
    "wrong events.jsonl": lambda: '{"type": "RunRequested", "data": {}}\n' * 99_000,
    "anchors.yaml": lambda: "- &x 1\n" * 2_500_000,
    "anchors in one line.yaml": lambda: "a: [" + "&a b," * 3_900_000 + "]\n",
    "exclamation marks.yaml": lambda: "!" * 19_900_000,
    "empty lines before an anchor.yaml": lambda: "\n" * 19_900_000 + "a: &b 1\n",
    "directives.yaml": lambda: "%FOO bar\n" * 2_200_000 + "---\na\n",
    "a mistake at the end.yaml": lambda: "- {type: X}\n" * 240_000 + "- [}\n",
}


def a_request(data: str) -> str:
    return '{"type": "RunRequested", "data": {' + data + "}}"


def numbered(text: str, count: int) -> str:
    return ",".join(text.format(number) for number in range(count))


@pytest.mark.parametrize("name", LARGE_FILES)
def test_fault_a_large_file_of_mistakes_is_refused_soon_and_in_a_bounded_number_of_sentences(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_text(LARGE_FILES[name]())
    code, said = run(COMMANDS["produce"], file)
    assert code == 2, said[-1000:]
    assert len(said.splitlines()) <= 1_002
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["config check", "simulate", "simulate a scenario", "tables check"])
def test_fault_thousands_of_wrong_keys_are_a_bounded_number_of_sentences(tmp_path: Path, command: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("".join(f"k{number}: 1\n" for number in range(48_000)))
    code, said = run(COMMANDS[command], file)
    assert code == 2, said[-1000:]
    assert 1_000 <= len(said.splitlines()) <= 1_002


def test_fault_thousands_of_wrong_keys_in_a_profile_are_a_bounded_number_of_sentences(tmp_path: Path) -> None:
    (tmp_path / "spokes").mkdir()
    (tmp_path / "spokes/lab.yaml").write_text("".join(f"k{number}: 1\n" for number in range(48_000)))
    file = tmp_path / "southbound.yaml"
    file.write_text("routing: {spokes: spokes}\n")
    code, said = run(COMMANDS["config check"], file)
    assert code == 2, said[-1000:]
    assert 1_000 <= len(said.splitlines()) <= 1_002
