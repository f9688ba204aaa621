"""Make the next row of a run from the last one, for a tenth of what `dataclasses.replace` takes.

A run is moved a dozen times and has 25 fields; most of the time went into setting them one by one.
"""

from __future__ import annotations

from router.runs.run import RunRow


def replace(row: RunRow, **changes: object) -> RunRow:
    """Give the same row with these fields changed.

    Raises:
        TypeError: a row has no such field.
    """
    values = {**row.__dict__, **changes}
    if len(values) != len(row.__dict__):
        raise TypeError(f"a row has none of the fields {', '.join(changes.keys() - row.__dict__.keys())}")
    made = object.__new__(RunRow)
    object.__setattr__(made, "__dict__", values)
    return made
