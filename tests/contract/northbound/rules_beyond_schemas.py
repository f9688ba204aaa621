"""List the rules of the northbound interface that OpenAPI cannot express."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What is valid by its schema and refused all the same, with the sentence of the refusal.
RULES_BEYOND_SCHEMAS = {
    "JSON Schema compares whole entries of a list, and not one attribute of each": (
        r"two measures of a run have the same id|has the id .* write an id to each|comes with run .* twice"
    ),
    "a schema does not compare two attributes": (
        r"compares with nothing|is greater than|is before startDateTime|is before its startDateTime"
        r"|is another address than|and the value is of another kind|is '.*', as in "
    ),
    "which name the relationships of a specification have depends on the resource that is patched": (
        r"is the name that version 5 has for"
    ),
    "a schema does not bound the texts and names of attributes that it does not list": (
        r"holds a NUL character|has a name that is no text"
    ),
    "a schema bounds a number, and does not say which fractions a binary number holds": (
        r"64 bits do not hold the number"
    ),
    "which addresses may be called is a setting, and depends on the name service": r"the callback ",
    "how many runs and levels a whole hierarchy may have is a setting": (
        r"comes with \d+ runs, and one request may carry|runs may be nested \d+ levels deep"
    ),
    "a schema does not bound the depth of values of any form": r"more than 64 levels deep",
    "a schema does not bound what operations copy together": r"the operations copy too much",
    "a schema does not compare the two pointers of an operation": r"a value cannot be moved into itself",
    "a query in a text has a grammar of its own": r"the query ",
    "what a client may do with a run depends on the run, and ServiceNow knows no 409": (
        r"only cancelled can be set|it cannot be changed any more|either changed or cancelled"
        r"|nothing is left to cancel|was ordered with another body|the run of this order was deleted"
    ),
    "a parent that is named must exist": r"there is no such parent run",
    "which ids are free depends on what was added before, and ServiceNow knows no 409": (
        r"there is a specification with this id"
    ),
}
_SENTENCES = re.compile("|".join(RULES_BEYOND_SCHEMAS.values()))


def sentence_of(answer: Mapping[str, object]) -> str:
    """Return why a request was refused, in the form of TMF630 or of ServiceNow."""
    return str(answer.get("reason") or answer.get("status_reason"))


def is_rule_beyond_schemas(answer: Mapping[str, object]) -> bool:
    """Return whether this refusal is one of a body that is valid by its schema."""
    return _SENTENCES.search(sentence_of(answer)) is not None
