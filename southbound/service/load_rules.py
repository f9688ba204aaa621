"""Load the tables and the spoke profiles of an operator, and report every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from consumers.northbound.streams.profile import StreamProfile, load_destinations, load_sources
from consumers.northbound.writeback.target import load_targets
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles, profile_files
from consumers.table_topic.live_pair import PublishedTableIds
from router.selection.load import RoutingTables
from router.selection.outbound_policy import load_policy
from router.selection.selector_file import load_selector
from router.tables.diagnostics import TableErrors
from schemas.files.text_file import TextFileError, read_text_file
from southbound.settings.kafka_client_names import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from consumers.northbound.streams.profile import StreamDestination, StreamSource
    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.spokes.profile import Profile
    from southbound.settings.settings import RoutingSettings, StreamSettings

S = TypeVar("S", bound=StreamProfile)
P = TypeVar("P")
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
    sources: tuple[StreamSource, ...] = ()  # of the role `ingress`
    destinations: tuple[StreamDestination, ...] = ()  # of the role `egress`


def load_rules(
    routing: RoutingSettings, targets: Path | None = None, streams: StreamSettings | None = None
) -> RoutingRules:
    """Load all profiles of spokes, the two tables if they are files, and the profiles of targets and streams.

    Raises:
        InvalidConfigurationError: with every mistake of every file.
    """
    mistakes: list[str] = []
    profiles = _load_profiles_in(routing.spokes, mistakes)
    written = _load_targets_in(targets, profiles, mistakes) if targets else ()
    sources = _load_sources_in(streams.sources, written, mistakes) if streams and streams.sources else ()
    copied_to = _load_destinations_in(streams.destinations, mistakes) if streams and streams.destinations else ()
    names = None if mistakes else [profile.name for profile in profiles]
    tables = _topic_tables(routing) if routing.tables == "topic" else _load_table_files(routing, names, mistakes)
    if mistakes or tables is None:
        raise InvalidConfigurationError(mistakes)
    return RoutingRules(tables=tables, profiles=profiles, targets=written, sources=sources, destinations=copied_to)


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
    none = "has no spoke profile (*.yaml): set routing.spokes to the folder that has them"
    return _load_files_in(folder, load_profiles, none, mistakes)


def _load_files_in(
    folder: Path, load: Callable[[Sequence[Path]], tuple[P, ...]], none: str, mistakes: list[str]
) -> tuple[P, ...]:
    """Return what the files of a folder have; `none` says what to do if it has no files."""
    files = profile_files(folder)
    if not files:
        mistakes.append(f"{folder}: {none}")
        return ()
    try:
        return load(files)
    except ProfilesWrongError as error:
        mistakes += error.mistakes
        return ()


def _load_targets_in(folder: Path, spokes: Sequence[Profile], mistakes: list[str]) -> tuple[WritebackTarget, ...]:
    none = "has no profile of a target (*.yaml): correct or remove writeback.targets"
    targets = _load_files_in(folder, load_targets, none, mistakes)
    taken = {spoke.name for spoke in spokes}
    mistakes += [
        f"{folder}: target '{target.name}' has the name of a spoke: rename one"
        for target in targets
        if target.name in taken
    ]
    return targets


def _load_sources_in(folder: Path, targets: Sequence[WritebackTarget], mistakes: list[str]) -> tuple[StreamSource, ...]:
    sources = _load_streams_in(folder, load_sources, "streams.sources", mistakes)
    known = {target.name for target in targets}
    mistakes += [
        f"{folder}: source '{source.name}' reads runs at the target '{source.target}', which has no profile in "
        "writeback.targets: add it, or correct 'target'"
        for source in sources
        if source.target is not None and source.target not in known
    ]
    return sources


def _load_destinations_in(folder: Path, mistakes: list[str]) -> tuple[StreamDestination, ...]:
    return _load_streams_in(folder, load_destinations, "streams.destinations", mistakes)


def _load_streams_in(
    folder: Path, load: Callable[[Sequence[Path]], tuple[S, ...]], setting: str, mistakes: list[str]
) -> tuple[S, ...]:
    none = f"has no profile of a stream (*.yaml): correct or remove {setting}"
    streams = _load_files_in(folder, load, none, mistakes)
    mistakes += [
        f"{folder}: {stream.noun} '{stream.name}': {sentence}"
        for stream in streams
        for name in (*stream.client, *stream.secrets)
        if (sentence := _refusal(name))
    ]
    return streams


def _refusal(name: str) -> str | None:
    if name == "bootstrap.servers":
        return "\"bootstrap.servers\" is not set here: use the field 'bootstrap'"
    return refusal(name)


def _read_text(path: Path, mistakes: list[str]) -> str | None:
    try:
        return read_text_file(path, _MAX_TABLE_BYTES)
    except TextFileError as error:
        mistakes.append(f"{path}: {error.problem}: correct the path in the settings")
        return None
