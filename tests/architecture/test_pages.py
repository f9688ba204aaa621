"""What the Markdown pages name exists: files, links, commands and options, make targets, settings, metrics, codes."""

import ast
import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer

from consumers.metrics import METRICS
from consumers.northbound.streams.profile import StreamDestination, StreamSource
from consumers.northbound.writeback.target import WritebackTarget, load_targets
from consumers.spokes.profile import Profile
from consumers.spokes.profile_loader import load_profiles
from consumers.spokes.registry import ENTRY_POINT_GROUP
from docs.generate.profiles import fields_of
from docs.generate.roles import group_names
from router.northbound.lists.sort import SORTABLE_RUN_ATTRIBUTES
from router.northbound.principal import Scope
from schemas.catalogue import CATALOGUE
from southbound.cli.app import app
from southbound.settings.settings import sections
from tests.architecture.reported_codes import reported_codes
from tests.harness.command_line import southbound

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
# Entries of the changelog also name what was renamed or removed.
CURRENT_PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]
FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
FILE_SUFFIXES = (".py", ".md", ".avsc", ".toml")
PLACEHOLDER = re.compile(r"<[^>]*>|…|\*")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def repository_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git there is
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


FILES = repository_files()
FOLDERS = {parent.as_posix() for name in FILES for parent in Path(name).parents} - {"."}
TOP_FOLDERS = {name.split("/")[0] for name in FOLDERS}
PACKAGES = ("schemas", "router", "producers", "consumers", "southbound")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def code_spans(text: str) -> list[str]:
    """Return the text of each code span outside of fenced blocks."""
    return [" ".join(span.split()) for span in CODE_SPAN.findall(FENCE.sub("", text))]


def command_lines(text: str) -> Iterator[str]:
    """Yield the commands of fenced blocks and the code spans that look like commands."""
    for language, block in FENCE.findall(text):
        joined = re.sub(r"\\\n *", " ", block)
        for line in joined.splitlines():
            if language == "console" and line.startswith("$ "):
                yield line.removeprefix("$ ")
            elif language in {"", "sh", "bash"}:
                yield line
    yield from code_spans(text)


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, without assignments, redirections and comments."""
    for line in command_lines(text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            continue
        command: list[str] = []
        for word in (*words, ";"):
            if word and set(word) <= set("|;&<>()"):
                while command and re.match(r"\w+=", command[0]):
                    command.pop(0)
                if command:
                    yield command
                command = []
            else:
                command.append(word)


def commands_named(text: str, program: str) -> list[list[str]]:
    return [words[1:] for words in simple_commands(text) if words[0].split("/")[-1] == program]


def path_exists(token: str, page: Path) -> bool:
    pattern = PLACEHOLDER.sub("*", token).removeprefix("./").rstrip("/").split(":")[0]
    beside = (page.parent.relative_to(ROOT) / pattern).as_posix()
    if any(fnmatch(name, one) for one in (pattern, beside) for name in (*FILES, *FOLDERS)):
        return True
    return any(fnmatch(name, f"*/{pattern}") for name in FILES)


def misplaced_names(text: str) -> list[str]:
    """Return the names of modules that are not in the folder that was named last before them."""
    folder, found = "", []
    for name in (span for span in code_spans(text) if re.fullmatch(r"[\w/]+(\.py|/)", span)):
        if "/" in name:
            folder = name.rpartition("/")[0]
        elif f"{folder}/{name}" not in FILES:
            found.append(name)
    return found


def path_tokens(text: str) -> set[str]:
    """Return each word of a code span or a command that must be a path of the repository."""
    words = {word for span in (*code_spans(text), *map(" ".join, simple_commands(text))) for word in span.split()}
    plain = {word.rpartition("=")[2].strip("(),;'\"") for word in words}
    return {
        word
        for word in plain
        if re.fullmatch(r"\.?[\w./<>…*-]+", word)
        if (word.split("/")[0] in TOP_FOLDERS and "/" in word) or word.endswith(FILE_SUFFIXES)
        if word not in FILE_SUFFIXES
    }


def slug(heading: str) -> str:
    """Return the anchor that a Markdown renderer makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_to_a_file_and_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", FENCE.sub("", page.read_text(encoding="utf-8")))
    broken = []
    for link, anchor in links:
        target = page.parent / link if link else page
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        if not target.exists() or (anchor and anchor not in map(slug, headings)):
            broken.append(f"{link}#{anchor}" if anchor else link)
    assert broken == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_files_that_pages_name_exist(page: Path) -> None:
    tokens = path_tokens(page.read_text(encoding="utf-8"))
    assert sorted(token for token in tokens if not path_exists(token, page)) == []


def test_a_name_without_a_folder_is_beside_the_last_path_of_the_page() -> None:
    """`batch.py` after a path of another folder sent readers to the wrong one."""
    assert misplaced_names((ROOT / "docs/architecture.md").read_text(encoding="utf-8")) == []


def test_a_name_beside_another_path_is_found() -> None:
    assert misplaced_names("`router/runs/advance.py`, `run.py`, `consumers/store/port.py`, `run.py`") == ["run.py"]


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_commands_that_pages_show_exist_with_their_options(page: Path) -> None:
    shown = commands_named(page.read_text(encoding="utf-8"), "southbound")
    assert [error for words in shown if (error := usage_error(words))] == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_make_targets_that_pages_name_exist(page: Path) -> None:
    named = {
        word
        for words in commands_named(page.read_text(encoding="utf-8"), "make")
        for word in words[:1]
        if re.fullmatch(r"[a-z][a-z-]*", word)
    }
    assert sorted(named - TARGETS) == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_modules_that_pages_run_exist(page: Path) -> None:
    started = [words[1] for words in commands_named(page.read_text(encoding="utf-8"), "python") if words[:1] == ["-m"]]
    ours = [module.replace(".", "/") for module in started if module.split(".")[0] in TOP_FOLDERS]
    assert [name for name in ours if not {f"{name}.py", f"{name}/__main__.py"} & set(FILES)] == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_python_names_that_pages_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    imported = [name for language, block in FENCE.findall(text) if language == "python" for name in imports(block)]
    spans = [re.fullmatch(r"((?:[a-z]\w*\.)+\w+)(?:\(.*\))?", span) for span in code_spans(text)]
    named = [match[1] for match in spans if match and match[1].split(".")[0] in PACKAGES]
    written = {scope.value for scope in Scope} | {*SORTABLE_RUN_ATTRIBUTES}
    others = {entry.ce_type for entry in CATALOGUE} | written | {"southbound.yaml", "southbound.db", ENTRY_POINT_GROUP}
    assert [name for name in (*imported, *named) if name not in others and not python_name_exists(name)] == []


def test_files_that_the_readme_passes_to_commands_exist() -> None:
    commands = commands_named((ROOT / "README.md").read_text(encoding="utf-8"), "southbound")
    files = [word for words in commands for word in words if re.search(r"\.(?:ya?ml|json|csv|xlsx|dmn)$", word)]
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_the_event_that_the_readme_publishes_is_sent_to_a_simulated_system() -> None:
    (example,) = re.findall(r"^\$ southbound produce (\S+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    selector = ROOT / "southbound/defaults/tables/spoke-selector.yaml"
    result = southbound("tables", "explain", str(selector), "--event", str(ROOT / example), "--json")
    assert [json.loads(line)["decided"] for line in result.stdout.splitlines()] == [True]


def test_a_reader_of_the_readme_sees_the_records_of_the_event_that_was_published_before() -> None:
    """Without `--from-start`, `southbound tail` showed nothing to those who typed the commands one after the other."""
    commands = commands_named((ROOT / "README.md").read_text(encoding="utf-8"), "southbound")
    tails = [words for words in commands if words[0] == "tail"]
    assert tails
    assert [words for words in tails if "--from-start" not in words] == []


def test_the_readme_gives_commands_that_do_not_end_terminals_of_their_own() -> None:
    blocks = [
        block for language, block in FENCE.findall((ROOT / "README.md").read_text("utf-8")) if language == "console"
    ]
    words = [re.findall(r"^\$ southbound (\w+)", block, re.MULTILINE) for block in blocks]
    (lasting,) = [commands for commands in words if {"run", "broker", "simulate"} & set(commands)]
    assert set(lasting) == {"broker", "simulate", "run"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_pages_name_exist(page: Path) -> None:
    # `hub` is a section of the settings, and one of profiles.
    known = {f"{name}.{setting}" for name, section in sections().items() for setting in section.model_fields}
    known |= PROFILE_FIELDS | GROUP_NAMES
    groups = "|".join(sections())
    named = set(re.findall(rf"`((?:{groups})\.[a-z_]+)`", page.read_text(encoding="utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_profiles_that_pages_show_are_valid(page: Path, tmp_path: Path) -> None:
    blocks = [block for language, block in FENCE.findall(page.read_text(encoding="utf-8")) if language == "yaml"]
    for number, block in enumerate(block for block in blocks if re.search("^base_url:", block, re.MULTILINE)):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        load = load_targets if "sn_sprb_mgmt" in block else load_profiles
        assert load([file])


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_fields_of_profiles_that_pages_name_exist(page: Path) -> None:
    settings = {f"{name}.{setting}" for name, section in sections().items() for setting in section.model_fields}
    assert (
        sorted(profile_fields_named(page.read_text(encoding="utf-8")) - PROFILE_FIELDS - GROUP_NAMES - settings) == []
    )


def test_fields_of_profiles_are_recognised_on_pages() -> None:
    named = {name for page in CURRENT_PAGES for name in profile_fields_named(page.read_text(encoding="utf-8"))}
    assert {
        "concurrency",
        "lost_after",
        "result_channels",
        "state_spellings",
        "timeouts.read",
    } <= named
    assert profile_fields_named("`pause` of the profile, the profile's `rest`, `retry.most`, `word: {kind: none}`") == {
        "pause",
        "rest",
        "retry.most",
    }


GROUP_NAMES = set(group_names())  # of Kafka: `hub.results` is one, not a setting
PROFILE_FIELDS = {
    name
    for model in (Profile, WritebackTarget, StreamSource, StreamDestination)
    for name in (*dict(fields_of(model)), *model.model_fields)
}
_FIELD = r"`([a-z_]+(?:\.[a-z_]+)?)(?:: [^`]*)?`"
_PROFILE_GROUPS = "|".join(name for name in Profile.model_fields if f"{name}." in " ".join(PROFILE_FIELDS))


def profile_fields_named(text: str) -> set[str]:
    """Return each code span beside which the text says that it belongs to a profile, or whose group does."""
    patterns = (
        rf"{_FIELD}\s+(?:of|in)\s+(?:the|its|a|every)\s+profile",
        rf"{_FIELD}(?:\s+\w+)?\s+\((?:new\s+)?profile",
        rf"profile'?s?\s+(?:\(|field\s+|says\s+)?{_FIELD}",
        rf"profile[^.]*among\s+its\s+{_FIELD}",
        rf"`((?:{_PROFILE_GROUPS})\.[a-z_]+)`",
    )
    return {name for pattern in patterns for name in re.findall(pattern, FENCE.sub("", text))}


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_metrics_that_pages_name_exist(page: Path) -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    spans = [re.fullmatch(r"(southbound_[a-z_]+)(?:\{(.*)\})?", span) for span in code_spans(page.read_text("utf-8"))]
    named = [(match[1], set(re.findall(r"(\w+)=", match[2] or ""))) for match in spans if match]
    assert [name for name, labels in named if name not in known or labels - known[name]] == []


@pytest.mark.parametrize("page", CURRENT_PAGES, ids=name_of)
def test_codes_that_pages_name_exist(page: Path) -> None:
    named = {span for span in code_spans(page.read_text(encoding="utf-8")) if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", span)}
    known = {code for code in named if f'"{code}"' in SOURCE or f"{code} " in SOURCE} | reported_codes()
    assert sorted(named - known) == []


def production_source() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for folder in PACKAGES for path in (ROOT / folder).rglob("*.py"))


SOURCE = production_source()


def imports(program: str) -> Iterator[str]:
    """Yield the dotted name of everything of ours that a program imports."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES)


def python_name_exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute) or bool(importlib.import_module(name))
    except ImportError:
        return False


def usage_error(words: list[str]) -> str | None:
    """Return why the command line does not fit the CLI, or None."""
    command: Any = typer.main.get_command(app)
    rest = [word for word in words if word not in {"[OPTIONS]", "--help"}]
    while hasattr(command, "commands") and rest:
        if rest[0].isupper() or rest[0] == "…":
            return None
        if rest[0] not in command.commands:
            return f"southbound {' '.join(words)}: there is no command {rest[0]!r}"
        command = command.commands[rest.pop(0)]
    if hasattr(command, "commands"):
        return None
    context = command.context_class(command)
    try:
        _, extra, _ = command.make_parser(context).parse_args(rest)
    except Exception as error:  # noqa: BLE001 - which class depends on whether typer brings its own click
        return f"southbound {' '.join(words)}: {error}"
    return f"southbound {' '.join(words)}: unexpected {extra}" if extra else None
