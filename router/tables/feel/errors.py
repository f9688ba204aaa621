"""The error of a cell that cannot be read."""


class CellError(ValueError):
    """A cell is not a valid unary test or literal. The message names the faulty part and what to write instead."""
