"""Folders are small, and no two files of one folder differ only by an ending of their names."""

import subprocess
from collections import defaultdict
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCTION = ("schemas", "router", "producers", "consumers", "southbound")
GENERATED_FOLDERS = {"consumers/store/migrations/versions"}
MAX_FILES = 15
SUFFIXES = ("s", "es", "ed", "er", "or", "ing", "ion", "y", "_one", "_all")

# From before these rules: an entry that is no longer needed fails the test.
LARGE_FOLDERS: dict[str, int] = {}
SIMILAR_NAMES: set[tuple[str, str]] = set()


def production_files() -> dict[str, list[str]]:
    """Return the names of the Python files of each production folder, without `__init__`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PRODUCTION],  # noqa: S607 - whichever git
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    folders: dict[str, list[str]] = defaultdict(list)
    for name in set(listed.stdout.splitlines()):  # a file in conflict is listed once per version
        path = Path(name)
        if path.suffix == ".py" and path.stem != "__init__" and (ROOT / path).exists():
            folders[path.parent.as_posix()].append(path.stem)
    return {folder: sorted(names) for folder, names in folders.items() if folder not in GENERATED_FOLDERS}


def differ_by_an_ending(first: str, second: str) -> bool:
    """Return whether both names have the same stem, and at most one ending each."""
    short, long = sorted((first, second), key=len)
    stems = {short, short.removesuffix("e"), short.removesuffix("y"), short + short[-1]}
    return any(long == stem + suffix for stem in stems for suffix in (*SUFFIXES, "ies"))


def test_the_rule_of_endings_finds_the_names_that_were_confused() -> None:
    confused = [
        ("watch", "watching"),
        ("run_check", "run_checker"),
        ("live_table", "live_tables"),
        ("release", "release_one"),
        ("cache", "caching"),
        ("policy", "policies"),
        ("plan", "planning"),
    ]
    assert [pair for pair in confused if not differ_by_an_ending(*pair)] == []
    distinct = [("change_run", "change_hierarchy"), ("send", "sent_at"), ("events", "event_ids"), ("run", "run_views")]
    assert [pair for pair in distinct if differ_by_an_ending(*pair)] == []


def test_no_production_folder_has_more_than_fifteen_files() -> None:
    large = {folder: len(names) for folder, names in production_files().items() if len(names) > MAX_FILES}
    assert {folder: count for folder, count in large.items() if count > LARGE_FOLDERS.get(folder, MAX_FILES)} == {}
    assert sorted(LARGE_FOLDERS.keys() - large.keys()) == [], "remove these entries of LARGE_FOLDERS"


def test_no_two_files_of_a_folder_differ_only_by_an_ending() -> None:
    pairs = {
        (f"{folder}/{first}", second)
        for folder, names in production_files().items()
        for first, second in combinations(names, 2)
        if differ_by_an_ending(first, second)
    }
    assert sorted(pairs - SIMILAR_NAMES) == []
    assert sorted(SIMILAR_NAMES - pairs) == [], "remove these entries of SIMILAR_NAMES"
