"""Count uses of request definitions in the transaction that stores what was decided.

One row for each definition and window. A save that cannot be written is not counted, and one that is written is
counted with it or not at all: nobody has to remember who was counted. See ADR-0023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from consumers.store.write_plan import NO_USES, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from consumers.store.row_mapping import Clockwork, Values
    from consumers.store.statements import Statements
    from consumers.store.write_plan import Place, Plan, Save
    from router.selection.thresholds import Use


def lock_uses(connection: Connection, sql: Statements, saves: Sequence[Save], clock: Clockwork) -> Mapping[Place, int]:
    """Read how much of each window is used, and keep others from counting until this transaction ends."""
    wanted = _windows(saves)
    if not wanted:
        return NO_USES
    # Made first, so that there is a row to lock; in one order, so that two processes do not deadlock.
    new = [(use.definition, clock.write(use.window.start), clock.write(use.window.end)) for use in wanted.values()]
    connection.exec_driver_sql(sql.open_window, sorted(new))
    found = connection.exec_driver_sql(sql.lock_uses, (sql.many(sorted({use.definition for use in wanted.values()})),))
    rows = cast("Sequence[Values]", found.all())
    return {(definition, clock.read(since)): uses for definition, since, _, uses in rows}


def count_uses(
    connection: Connection, sql: Statements, plan: Plan, uses: Mapping[Place, int], clock: Clockwork
) -> None:
    """Write what was counted; whoever counts first in a window throws away those before its predecessor."""
    if not plan.counted:
        return
    places = sorted((definition, clock.write(since), place) for place in plan.counted for definition, since in [place])
    connection.exec_driver_sql(sql.count_uses, [(plan.counted[at], name, since) for name, since, at in places])
    fresh = [(name, since) for name, since, at in places if not uses[at]]
    if fresh:
        connection.exec_driver_sql(sql.forget_windows, fresh)


def _windows(saves: Sequence[Save]) -> Mapping[Place, Use]:
    return {place_of(use): use for save in saves for use in save.uses}
