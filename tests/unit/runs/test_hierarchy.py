"""A hierarchy is sent parent first, completely or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.hierarchy import (
    ChildChanges,
    HierarchyError,
    HierarchyLimits,
    HierarchyPosition,
    RunTree,
    build_tree,
    child_ids,
    compare_children,
    expand_hierarchy,
    missing_children,
    walk_pre_order,
    with_children,
)
from tests.builders.runs import a_document, a_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.run_document import RunDocument

WIDE = HierarchyLimits(max_runs=100, max_depth=100)


@dataclass(frozen=True)
class ChildPlacement:
    """The drawn place of a child: the earlier run above it, and its order among the siblings."""

    under: int
    order: int


BRANCHES = st.lists(st.builds(ChildPlacement, under=st.integers(0, 30), order=st.integers(-2, 2)), max_size=30)


def a_child(run_id: str, parent: str = "R", root: str = "R", order: int = 0, version: int = 1) -> RunDocument:
    return a_document(run_id, parent=parent, root=root, order=order, version=version)


def a_root(*children: RunDocument, names: tuple[str, ...] = ()) -> RunDocument:
    return a_document("R", children=children, child_run_ids=names)


def children_from(branches: Sequence[ChildPlacement]) -> tuple[RunDocument, ...]:
    ids = ["R"]
    children = []
    for number, branch in enumerate(branches):
        children.append(a_child(f"c{number}", parent=ids[branch.under % len(ids)], order=branch.order))
        ids.append(f"c{number}")
    return tuple(children)


def flatten(tree: RunTree) -> Iterator[RunDocument]:
    yield tree.document
    for child in tree.children:
        yield from flatten(child)


@given(BRANCHES)
def test_every_run_comes_once_and_after_its_parent(branches: list[ChildPlacement]) -> None:
    root = a_root(*children_from(branches))
    runs = expand_hierarchy(root, WIDE)
    index = {run.run_id: number for number, run in enumerate(runs)}
    assert set(index) == {"R", *child_ids(root)}
    assert len(runs) == len(index)
    assert all(index[run.parent_run_id] < index[run.run_id] for run in runs if run.parent_run_id)
    assert not any(run.children for run in runs)


@given(BRANCHES)
def test_siblings_keep_their_order_and_then_their_ids(branches: list[ChildPlacement]) -> None:
    runs = expand_hierarchy(a_root(*children_from(branches)), WIDE)
    for parent in runs:
        siblings = [(run.order, run.run_id) for run in runs if run.parent_run_id == parent.run_id]
        assert siblings == sorted(siblings)


@given(BRANCHES)
def test_the_tree_read_from_the_top_is_the_list(branches: list[ChildPlacement]) -> None:
    root = a_root(*children_from(branches))
    tree = build_tree(root, WIDE)
    assert tuple(flatten(tree)) == expand_hierarchy(root, WIDE)


@given(BRANCHES, st.randoms(use_true_random=False))
def test_the_order_of_the_flat_list_does_not_matter(branches: list[ChildPlacement], dice: object) -> None:
    children = list(children_from(branches))
    straight = expand_hierarchy(a_root(*children), WIDE)
    dice.shuffle(children)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert expand_hierarchy(a_root(*children), WIDE) == straight


@given(BRANCHES.filter(bool), st.data())
def test_a_circle_anywhere_is_refused(branches: list[ChildPlacement], data: st.DataObject) -> None:
    children = list(children_from(branches))
    picked = data.draw(st.integers(0, len(children) - 1))
    below = {children[picked].run_id}
    for child in children:
        if child.parent_run_id in below:
            below.add(child.run_id)
    closing = data.draw(st.sampled_from(sorted(below)))
    children[picked] = a_child(children[picked].run_id, parent=closing)
    with pytest.raises(HierarchyError) as refused:
        expand_hierarchy(a_root(*children), WIDE)
    assert refused.value.problem.code == "HIERARCHY_CYCLE"
    assert repr(closing) in str(refused.value) or len(below) > 5


def test_a_bare_run_expands_to_itself() -> None:
    assert expand_hierarchy(a_document("TR0001")) == (a_document("TR0001"),)
    child = a_child("c1")
    assert expand_hierarchy(child) == (child,)


def test_pre_order_goes_down_before_it_goes_on() -> None:
    root = a_root(a_child("b", order=2), a_child("a", order=1), a_child("a1", parent="a"))
    assert [run.run_id for run in expand_hierarchy(root)] == ["R", "a", "a1", "b"]


@pytest.mark.parametrize(
    ("root", "code", "parts"),
    [
        (a_root(a_child("c1"), a_child("c1")), "HIERARCHY_DUPLICATE_RUN", ("'R'", "'c1'", "twice")),
        (a_root(a_child("R")), "HIERARCHY_DUPLICATE_RUN", ("'R'", "twice")),
        (a_root(a_child("c1", parent="c9")), "HIERARCHY_PARENT_MISSING", ("'c1'", "'c9'", "'R'", "add")),
        (a_root(a_child("c1", root="Q")), "HIERARCHY_OTHER_ROOT", ("'c1'", "'Q'", "'R'")),
        (a_root(a_child("c1", parent="c1")), "HIERARCHY_CYCLE", ("'c1'", "correct parent_run_id")),
        (
            a_root(a_child("c1", parent="c2"), a_child("c2", parent="c3"), a_child("c3", parent="c1")),
            "HIERARCHY_CYCLE",
            ("'c1', 'c2', 'c3'",),
        ),
        (
            a_document("c5", parent="R", children=(a_child("c6", parent="c5"),)),
            "HIERARCHY_NOT_ROOT",
            ("'c5'", "'R'"),
        ),
        (
            with_children(a_root(), [a_document("c5", parent="R", children=(a_child("c6", parent="c5"),))]),
            "HIERARCHY_NOT_ROOT",
            ("'c5'", "'R'", "let the root run carry the whole flat list"),
        ),
        (a_tree("R", children=500), "HIERARCHY_TOO_LARGE", ("'R'", "501", "500", "max_runs")),
    ],
)
def test_what_cannot_be_sent_is_refused_in_one_sentence(root: RunDocument, code: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(HierarchyError) as refused:
        expand_hierarchy(root)
    sentence = str(refused.value)
    assert refused.value.problem.code == code
    assert refused.value.problem.sentence == sentence
    assert sentence.endswith(".")
    assert all(part in sentence for part in parts), sentence
    with pytest.raises(HierarchyError):
        build_tree(root)


def test_exactly_as_many_runs_and_levels_as_allowed_pass() -> None:
    chain = a_root(a_child("c0"), *(a_child(f"c{n}", parent=f"c{n - 1}") for n in range(1, 9)))
    assert len(expand_hierarchy(chain)) == 10
    assert len(expand_hierarchy(a_tree("R", children=499))) == 500


def test_one_level_more_than_allowed_is_refused() -> None:
    chain = a_root(a_child("c0"), *(a_child(f"c{n}", parent=f"c{n - 1}") for n in range(1, 10)))
    with pytest.raises(HierarchyError, match=r"'c9' lies on level 11 .* 10 levels .* max_depth") as refused:
        expand_hierarchy(chain)
    assert refused.value.problem.code == "HIERARCHY_TOO_DEEP"


def test_a_long_circle_names_only_some_of_its_runs() -> None:
    ring = (a_child(f"c{n}", parent=f"c{(n + 1) % 40}") for n in range(40))
    with pytest.raises(HierarchyError, match="and 35 more"):
        expand_hierarchy(a_root(*ring))


def test_ten_thousand_children_are_refused_before_they_are_checked() -> None:
    root = a_tree("R", children=10_000)
    started = process_time()
    with pytest.raises(HierarchyError, match="10001 runs"):
        expand_hierarchy(root)
    assert process_time() - started < 0.1


def test_separately_requested_children_join_those_that_the_root_contains() -> None:
    root = a_root(a_child("c1"), names=("c2", "c3"))
    assert missing_children(root, set()) == ("c2", "c3")
    assert missing_children(root, {"c3"}) == ("c2",)
    whole = with_children(root, (a_child("c3"), a_child("c2", parent="c3")))
    assert missing_children(whole, set()) == ()
    assert [run.run_id for run in expand_hierarchy(whole)] == ["R", "c1", "c3", "c2"]


def test_a_child_named_twice_or_named_and_contained_is_one_child() -> None:
    root = a_root(a_child("c1"), names=("c2", "c1", "c2"))
    assert child_ids(root) == ("c1", "c2")
    assert missing_children(root, ()) == ("c2",)


def test_a_new_version_alone_changes_no_child() -> None:
    old, new = a_root(a_child("c1")), a_root(a_child("c1", version=2))
    assert compare_children(old, new) == ChildChanges()


def test_moving_a_child_changes_it() -> None:
    old = a_root(a_child("c1"), a_child("c2"))
    new = a_root(a_child("c1"), a_child("c2", parent="c1"))
    assert compare_children(old, new) == ChildChanges(changed=("c2",))


def test_naming_a_child_instead_of_containing_it_neither_adds_nor_removes_it() -> None:
    assert compare_children(a_root(a_child("c1")), a_root(names=("c1",))) == ChildChanges()
    assert compare_children(a_root(names=("c1",)), a_root(names=("c2",))) == ChildChanges(
        added=("c2",), removed=("c1",)
    )


@given(*[st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1)) for _ in range(2)])
def test_each_child_is_in_exactly_the_list_that_fits(old: dict[str, int], new: dict[str, int]) -> None:
    changes = compare_children(
        a_root(*(a_child(name, order=order) for name, order in old.items())),
        a_root(*(a_child(name, order=order) for name, order in new.items())),
    )
    assert set(changes.added) == new.keys() - old.keys()
    assert set(changes.removed) == old.keys() - new.keys()
    assert set(changes.changed) == {name for name in old.keys() & new.keys() if old[name] != new[name]}


def test_a_part_of_a_hierarchy_starts_at_the_runs_without_a_parent_in_it() -> None:
    places = {
        "b": HierarchyPosition("a", 2),
        "c": HierarchyPosition("b", 1),
        "d": HierarchyPosition("z", 1),
        "x": HierarchyPosition("y", 1),
        "y": HierarchyPosition("x", 1),
    }
    assert walk_pre_order(places) == [("d", 1), ("b", 1), ("c", 2)]
