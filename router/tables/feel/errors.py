"""Say what is wrong with one cell of a table."""


class CellError(ValueError):
    """A cell is not in the grammar; the message names the part of it and what to write instead."""
