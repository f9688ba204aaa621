"""Load the tables that an operator names, with every sentence about one that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.load import kind_of, table_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import Selector
from router.tables.diagnostics import TableErrors
from schemas.published_tables import TableKind
from southbound.cli.exit_codes import wrong
from southbound.operations.tables.formats import load_file
from southbound.operations.tables.lookup import from_topic, is_file, published_in

if TYPE_CHECKING:
    from router.selection.load import Loaded
    from southbound.settings.settings import Settings

LIVE = "live"


def load(file: str) -> Loaded:
    """Load a table of any format whose saved tests need not pass.

    Raises:
        Failure: with everything that is wrong with it.
    """
    try:
        return load_file(file, tested=False)
    except TableErrors as error:
        raise wrong(error.sentences) from None


def named(settings: Settings, name: str) -> Loaded:
    """Load a file, or a published table: `ID` (what is live), `ID@VERSION` or `ID@draft`.

    Raises:
        Failure: with everything that is wrong with it, or there is no such table.
    """
    return load(name) if is_file(name) else from_topic(published_in(settings), name).loaded


def what_decides_now(settings: Settings, draft: Loaded, against: str) -> Loaded:
    """Give the table beside which a draft is seen: one by name, or for `live` what the gateway decides by.

    Raises:
        Failure: it cannot be had, or the draft is of no kind that decides now.
    """
    if against != LIVE:
        return named(settings, against)
    routing, table_id = settings.routing, table_of(draft).id
    if routing.tables == "topic":
        return from_topic(published_in(settings), table_id).loaded
    match draft:
        case OutboundPolicy():
            return load(str(routing.policy))
        case Selector():
            return load(str(routing.selector))
        case _:
            why = f"{table_id} is neither the outbound policy nor a selector, so nothing live is like it"
            raise wrong([f"{why}: name the table to compare it with, --against TABLE"])


def in_words(loaded: Loaded) -> str:
    """Say what kind of table it is."""
    return _KINDS[kind_of(loaded)]


_KINDS = {
    TableKind.POLICY: "an outbound policy",
    TableKind.SELECTOR: "a spoke selector",
    TableKind.TABLE: "a decision table",
}
