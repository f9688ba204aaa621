"""Load the tables and the spoke profiles of an operator, and report every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.northbound.writeback.target import load_targets
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles
from consumers.table_topic.live_pair import PublishedTableIds
from router.selection.load import RoutingTables
from router.selection.outbound_policy import load_policy
from router.selection.selector_file import load_selector
from router.tables.diagnostics import TableErrors
from schemas.files.text_file import TextFileError, read_text_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.spokes.profile import Profile
    from southbound.settings.settings import RoutingSettings

_MAX_TABLE_BYTES = 20_000_000  # as in the commands that read tables


class InvalidConfigurationError(Exception):
    """Tables or profiles of an operator are wrong; `mistakes` has a sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRules:
    """The tables of this process (or the ids of published ones) and the profiles of its spokes."""

    tables: RoutingTables | PublishedTableIds
    profiles: tuple[Profile, ...]
    targets: tuple[WritebackTarget, ...] = ()  # of the role `writeback`


def load_rules(routing: RoutingSettings, targets: Path | None = None) -> RoutingRules:
    """Load all profiles, the two tables if they are files, and the profiles of targets in a folder, if there is one.

    Raises:
        InvalidConfigurationError: with every mistake of every file.
    """
    mistakes: list[str] = []
    profiles = _load_profiles_in(routing.spokes, mistakes)
    written = _load_targets_in(targets, profiles, mistakes) if targets else ()
    names = None if mistakes else [profile.name for profile in profiles]
    tables = _topic_tables(routing) if routing.tables == "topic" else _load_table_files(routing, names, mistakes)
    if mistakes or tables is None:
        raise InvalidConfigurationError(mistakes)
    return RoutingRules(tables=tables, profiles=profiles, targets=written)


def _topic_tables(routing: RoutingSettings) -> PublishedTableIds:
    return PublishedTableIds(policy=routing.policy_id, selector=routing.selector_id)


def _load_table_files(
    routing: RoutingSettings, spokes: Sequence[str] | None, mistakes: list[str]
) -> RoutingTables | None:
    policy = selector = None
    try:
        if (text := _read_text(routing.policy, mistakes)) is not None:
            policy = load_policy(text, str(routing.policy))
    except TableErrors as error:
        mistakes += error.sentences
    try:
        if (text := _read_text(routing.selector, mistakes)) is not None:
            selector = load_selector(text, str(routing.selector), spokes)
    except TableErrors as error:
        mistakes += error.sentences
    return RoutingTables(policy=policy, selector=selector) if policy and selector else None


def _load_profiles_in(folder: Path, mistakes: list[str]) -> tuple[Profile, ...]:
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        mistakes.append(f"{folder}: has no spoke profile (*.yaml): set routing.spokes to the folder that has them")
        return ()
    try:
        return load_profiles(files)
    except ProfilesWrongError as error:
        mistakes += error.mistakes
        return ()


def _load_targets_in(folder: Path, spokes: Sequence[Profile], mistakes: list[str]) -> tuple[WritebackTarget, ...]:
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        mistakes.append(f"{folder}: has no profile of a target (*.yaml): correct or remove writeback.targets")
        return ()
    try:
        targets = load_targets(files)
    except ProfilesWrongError as error:
        mistakes += error.mistakes
        return ()
    taken = {spoke.name for spoke in spokes}
    mistakes += [
        f"{folder}: target '{target.name}' has the name of a spoke: rename one"
        for target in targets
        if target.name in taken
    ]
    return targets


def _read_text(path: Path, mistakes: list[str]) -> str | None:
    try:
        return read_text_file(path, _MAX_TABLE_BYTES)
    except TextFileError as error:
        mistakes.append(f"{path}: {error.problem}: correct the path in the settings")
        return None
