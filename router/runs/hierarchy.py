"""Turn a root run and its flat list of children into runs in the order in which they may be sent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.runs.hierarchy_limits import (
    HierarchyError,
    HierarchyLimits,
    check_child,
    check_depth,
    check_ids,
    check_root,
    check_size,
    cycle_error,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from schemas.run_document import RunDocument

__all__ = [
    "DEFAULT_LIMITS",
    "ChildChanges",
    "HierarchyError",
    "HierarchyLimits",
    "HierarchyPosition",
    "RunTree",
    "build_tree",
    "child_ids",
    "compare_children",
    "expand_hierarchy",
    "missing_children",
    "walk_pre_order",
    "with_children",
]

DEFAULT_LIMITS = HierarchyLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTree:
    """A run with its children below it, siblings by (order, run id): the payload `bundle`."""

    document: RunDocument
    children: tuple[RunTree, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildChanges:
    """What a change of the root does to its children, as run ids."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HierarchyPosition:
    """The position of a run: its parent, and its order among its siblings."""

    parent: str | None
    order: int


def expand_hierarchy(root: RunDocument, limits: HierarchyLimits = DEFAULT_LIMITS) -> tuple[RunDocument, ...]:
    """Return the root without children, and its children in pre-order.

    Parent before child, siblings by (order, run id).

    Raises:
        HierarchyError: too many runs, too deep, a cycle, a run twice, an absent parent, another root.
    """
    if not root.children and root.parent_run_id != root.run_id:
        return (root,)
    check_size(root, limits)
    check_root(root)
    runs = {run.run_id: run for run in (root, *root.children)}
    check_ids((root, *root.children))
    for child in root.children:
        check_root(child)
        check_child(child, root, runs)
    runs[root.run_id] = root.model_copy(update={"children": ()})
    return tuple(runs[run_id] for run_id in _pre_order_ids(root, limits))


def build_tree(root: RunDocument, limits: HierarchyLimits = DEFAULT_LIMITS) -> RunTree:
    """Return the same runs as a tree.

    Raises:
        HierarchyError: as `expand_hierarchy` does.
    """
    below: defaultdict[str | None, list[RunTree]] = defaultdict(list)
    runs = expand_hierarchy(root, limits)
    # Backwards, the children of a run are complete before the run itself is reached.
    for run in reversed(runs[1:]):
        below[run.parent_run_id].append(_build_node(run, below))
    return _build_node(runs[0], below)


def with_children(root: RunDocument, separate_children: Iterable[RunDocument]) -> RunDocument:
    """Return the root with the children that arrived as events of their own beside those that it embeds."""
    return root.model_copy(update={"children": (*root.children, *separate_children)})


def child_ids(root: RunDocument) -> tuple[str, ...]:
    """Return every child that the root embeds or names, each once."""
    carried = (child.run_id for child in root.children)
    return tuple(dict.fromkeys((*carried, *root.child_run_ids)))


def missing_children(root: RunDocument, arrived_ids: Collection[str]) -> tuple[str, ...]:
    """Return the children that the root only names and that have not arrived."""
    carried = {child.run_id for child in root.children}
    return tuple(run_id for run_id in child_ids(root) if run_id not in carried and run_id not in arrived_ids)


def compare_children(old: RunDocument, new: RunDocument) -> ChildChanges:
    """Return which children are added, removed, or differ in more than their version."""
    before = {child.run_id: child for child in old.children}
    known, wanted = dict.fromkeys(child_ids(old)), dict.fromkeys(child_ids(new))
    return ChildChanges(
        added=tuple(run_id for run_id in wanted if run_id not in known),
        removed=tuple(run_id for run_id in known if run_id not in wanted),
        changed=tuple(c.run_id for c in new.children if c.run_id in before and _differ(before[c.run_id], c)),
    )


def walk_pre_order(positions: Mapping[str, HierarchyPosition]) -> list[tuple[str, int]]:
    """Return each run id with its level, parents before children; a run whose parent is not among them has level 1.

    A run in a cycle of parents is not included, because no run of level 1 leads to it.
    """
    below: defaultdict[str | None, list[str]] = defaultdict(list)
    for run_id in sorted(positions, key=lambda run_id: (positions[run_id].order, run_id), reverse=True):
        parent = positions[run_id].parent
        below[parent if parent in positions else None].append(run_id)
    walked, waiting = [], [(run_id, 1) for run_id in below[None]]
    while waiting:
        run_id, level = waiting.pop()
        walked.append((run_id, level))
        waiting += [(child, level + 1) for child in below.get(run_id, ())]
    return walked


def _pre_order_ids(root: RunDocument, limits: HierarchyLimits) -> list[str]:
    places = {run.run_id: HierarchyPosition(run.parent_run_id, run.order) for run in (root, *root.children)}
    walked = walk_pre_order(places)
    for run_id, level in walked:
        check_depth(run_id, root, level, limits)
    reached = {run_id for run_id, _ in walked}
    for run_id in places:
        if run_id not in reached:
            raise cycle_error(run_id, {name: place.parent for name, place in places.items()})
    return [run_id for run_id, _ in walked]


def _build_node(run: RunDocument, below: Mapping[str | None, list[RunTree]]) -> RunTree:
    return RunTree(document=run, children=tuple(reversed(below.get(run.run_id, []))))


def _differ(old: RunDocument, new: RunDocument) -> bool:
    return old.model_copy(update={"version": new.version}) != new
