"""The words that give a sheet its shape: the first cell of a line, and the headings of its columns."""

COLUMNS = "columns"
WHEN = "when"
THEN = "then"
PATH = "path"
TYPE = "type"
VALUES = "values"
ROW = "row"
TEST = "test"
GIVEN = "given"
EXPECT = "expect"
NOTE = "note"
ORDER = "order"
ACTIVE = "active"
MAX = "max"
PERIOD = "period"

ABOUT_COLUMNS = (COLUMNS, PATH, TYPE, VALUES)
OWN_COLUMNS = (NOTE, ORDER, ACTIVE, MAX, PERIOD)
