"""Say in words what differs between two versions of a table."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from router.table_parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.selection.load import Loaded
    from router.table_parts import Kind, Part, Thing

ANY = "-"
NOTHING = "(none)"
ORDERED: tuple[Kind, ...] = ("input", "output", "row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `part` and `column` say where in the thing, `before` and `after` what stood and stands there."""

    what: Literal["added", "removed", "changed", "moved"]
    kind: Kind
    name: str
    part: str = ""
    column: str = ""
    before: str = ""
    after: str = ""

    @property
    def sentence(self) -> str:
        """Say it."""
        thing = self.kind if self.kind == "default" else f"{self.kind} {self._named}"
        match self.what:
            case "moved":
                return f"{thing} moved from place {self.before} to {self.after}"
            case "changed" if self.part == "switched":
                return f"{thing} switched {self.after}"
            case "changed":
                return f"{thing}: {self._where} {self.before} → {self.after}"
            case _:
                return f"{thing} {self.what}: {self.before or self.after}"

    @property
    def _named(self) -> str:
        return self.name if self.kind in ("row", "table") else f"'{self.name}'"

    @property
    def _where(self) -> str:
        return f"{self.part} '{self.column}'" if self.column else self.part


def differences(before: Loaded, after: Loaded) -> tuple[Change, ...]:
    """Compare two versions; nothing is said of comments and layout, which change no decision."""
    old, new = ({thing.key: thing for thing in parts_of(one)} for one in (before, after))
    about = _about(next(iter(old.values())), next(iter(new.values())))
    gone = [_removed(thing) for key, thing in old.items() if key not in new and thing.kind != "table"]
    taken_along = {name for kind, name in old.keys() - new.keys() if kind in ("input", "output")}
    both = [key for key in new if key in old]
    changed = [change for key in both for change in _changes(old[key], new[key], taken_along)]
    come = [_added(thing) for key, thing in new.items() if key not in old and thing.kind != "table"]
    return (*about, *gone, *come, *_moves([*old.values()], [*new.values()]), *changed)


def _about(before: Thing, after: Thing) -> Iterator[Change]:
    """Compare what is said of the table as a whole, under whatever id."""
    if before.name != after.name:
        yield Change(what="changed", kind="table", name=after.name, part="id", before=before.name, after=after.name)
        yield from _changes(before, after, frozenset())


def _removed(thing: Thing) -> Change:
    return Change(what="removed", kind=thing.kind, name=thing.name, before=_in_words(thing))


def _added(thing: Thing) -> Change:
    return Change(what="added", kind=thing.kind, name=thing.name, after=_in_words(thing))


def _in_words(thing: Thing) -> str:
    cells = ", ".join(f"{column} {text}" for (part, column), text in thing.parts.items() if part == "cell")
    results = ", ".join(f"{column} {text}" for (part, column), text in thing.parts.items() if part == "output")
    rest = ", ".join(_said(part, text) for part, text in thing.parts.items() if part[0] not in ("cell", "output"))
    decides = f"{cells or 'anything'} → {results}" if thing.kind == "row" else results
    return "; ".join(filter(None, [decides, rest]))


def _said(part: Part, text: str) -> str:
    return " ".join(filter(None, [*part, text]))


def _changes(before: Thing, after: Thing, taken_along: frozenset[str] | set[str]) -> Iterator[Change]:
    for part in dict.fromkeys((*before.parts, *after.parts)):
        what, column = part
        old, new = (_text(thing.parts, part) for thing in (before, after))
        # A column that is gone is told once, and not with every row.
        if old != new and not (column in taken_along and part not in after.parts):
            name = after.name
            yield Change(what="changed", kind=after.kind, name=name, part=what, column=column, before=old, after=new)


def _text(parts: Mapping[Part, str], part: Part) -> str:
    return parts.get(part, ANY if part[0] == "cell" else NOTHING)


def _moves(old: Sequence[Thing], new: Sequence[Thing]) -> Iterator[Change]:
    """Name as few things as possible whose moving explains the new order."""
    for kind in ORDERED:
        before, after = (_places(things, kind) for things in (old, new))
        if any(("order", "") in thing.parts for thing in new if thing.kind == kind):
            continue  # a definition says its order itself, and a new one is a change of that
        common = [name for name in after if name in before]
        for name in _displaced([before[name] for name in common], common):
            yield Change(what="moved", kind=kind, name=name, before=str(before[name]), after=str(after[name]))


def _places(things: Sequence[Thing], kind: Kind) -> dict[str, int]:
    names = [thing.name for thing in things if thing.kind == kind]
    return {name: place for place, name in enumerate(names, start=1)}


def _displaced(places: Sequence[int], names: Sequence[str]) -> list[str]:
    """Give the names outside a longest rising sequence of places."""
    ends: list[int] = []  # the lowest end of a rising sequence of each length
    at: list[int] = []
    for place in places:
        at.append(bisect_left(ends, place))
        ends[at[-1] : at[-1] + 1] = [place]
    length = len(ends)
    kept: set[str] = set()
    ceiling = float("inf")
    for place, long, name in reversed([*zip(places, at, names, strict=True)]):
        if long == length - 1 and place < ceiling:
            kept.add(name)
            length, ceiling = long, place
    return [name for name in names if name not in kept]
