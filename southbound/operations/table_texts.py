"""Load the tables that an operator names, with every sentence about one that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.complaints import TableErrors
from router.policy import OutboundPolicy
from router.selector import Selector
from router.table_loading import kind_of
from schemas.tables import TableKind
from southbound.failures import wrong
from southbound.operations.table_formats import load_file

if TYPE_CHECKING:
    from router.table_loading import Loaded
    from southbound.settings import Routing

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


def what_decides_now(routing: Routing, draft: Loaded, against: str) -> Loaded:
    """Give the table beside which a draft is seen: a file, or for `live` the one of its kind in the settings.

    Raises:
        Failure: it cannot be read, or the draft is of no kind that decides now.
    """
    if against != LIVE:
        return load(against)
    match draft:
        case OutboundPolicy():
            return load(str(routing.policy))
        case Selector():
            return load(str(routing.selector))
        case table:
            remedy = "name the file to compare it with: --against FILE"
            raise wrong(
                [f"{table.id} is neither the outbound policy nor a selector, so none like it is live: {remedy}"]
            )


def in_words(loaded: Loaded) -> str:
    """Say what kind of table it is."""
    return _KINDS[kind_of(loaded)]


_KINDS = {
    TableKind.POLICY: "an outbound policy",
    TableKind.SELECTOR: "a spoke selector",
    TableKind.TABLE: "a decision table",
}
