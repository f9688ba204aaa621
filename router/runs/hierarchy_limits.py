"""Refuse a hierarchy that cannot be sent, before anything of it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.run_document import RunDocument

_MAX_NAMED = 5  # run ids in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyLimits:
    """The limits of one request; the root counts as a run and as the first level."""

    max_runs: int = 500
    max_depth: int = 10


class HierarchyError(Exception):
    """A hierarchy cannot be sent as it is; `problem` has the stable code and the sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.problem = Problem(code=code, sentence=sentence)


def check_size(root: RunDocument, limits: HierarchyLimits) -> None:
    """Refuse more runs than one request may embed or name, before reading any of them."""
    count = 1 + max(len(root.children), len({*root.child_run_ids, *(child.run_id for child in root.children)}))
    if count > limits.max_runs:
        raise HierarchyError(
            "HIERARCHY_TOO_LARGE",
            f"Root run {root.run_id!r} comes with {count} runs, and one request may carry {limits.max_runs}: "
            "split the hierarchy over several root runs, or raise the limit max_runs.",
        )


def check_root(root: RunDocument) -> None:
    """Refuse children on a run that is not the root."""
    if root.children and (root.root_run_id != root.run_id or root.parent_run_id is not None):
        raise HierarchyError(
            "HIERARCHY_NOT_ROOT",
            f"Run {root.run_id!r} carries children but is not a root (its parent is {root.parent_run_id!r}, "
            f"its root {root.root_run_id!r}): let the root run carry the whole flat list.",
        )


def check_ids(runs: Sequence[RunDocument]) -> None:
    """Refuse a run that occurs twice."""
    seen: set[str] = set()
    for run in runs:
        if run.run_id in seen:
            raise HierarchyError(
                "HIERARCHY_DUPLICATE_RUN",
                f"Root run {runs[0].run_id!r} comes with run {run.run_id!r} twice: give every run once.",
            )
        seen.add(run.run_id)


def check_child(child: RunDocument, root: RunDocument, ids: Collection[str]) -> None:
    """Refuse a child of another root, and one whose parent is not among `ids`."""
    if child.root_run_id != root.run_id:
        raise HierarchyError(
            "HIERARCHY_OTHER_ROOT",
            f"Child run {child.run_id!r} comes with root run {root.run_id!r} but says that its root is "
            f"{child.root_run_id!r}: correct its root_run_id or leave it out.",
        )
    if child.parent_run_id not in ids:
        raise HierarchyError(
            "HIERARCHY_PARENT_MISSING",
            f"Child run {child.run_id!r} has the parent {child.parent_run_id!r}, which does not come with "
            f"root run {root.run_id!r}: add that run or correct parent_run_id.",
        )


def check_depth(run_id: str, root: RunDocument, depth: int, limits: HierarchyLimits) -> None:
    """Refuse a run at too deep a level."""
    if depth > limits.max_depth:
        raise HierarchyError(
            "HIERARCHY_TOO_DEEP",
            f"Run {run_id!r} lies on level {depth} of root run {root.run_id!r}, and {limits.max_depth} "
            "levels are allowed: flatten the hierarchy, or raise the limit max_depth.",
        )


def cycle_error(run_id: str, parents: Mapping[str, str | None]) -> HierarchyError:
    """Return the error that names the cycle among the ancestors of a run that no root leads to."""
    way: dict[str, None] = {}
    at = run_id
    while at not in way:
        way[at] = None
        at = parents[at] or at
    names = [*way][[*way].index(at) :]
    return HierarchyError(
        "HIERARCHY_CYCLE",
        f"The parents of run {names[0]!r} lead back to itself ({_list_some(names)}): correct parent_run_id so "
        "that every run leads up to the root.",
    )


def _list_some(run_ids: Sequence[str]) -> str:
    shown = ", ".join(repr(run_id) for run_id in run_ids[:_MAX_NAMED])
    more = len(run_ids) - _MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
