"""Describe why a request is refused: with a code, a sentence, and the place in its body as a JSON pointer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MISTAKES = 20  # in one response


class MistakeCode(StrEnum):
    """What is wrong with a part of a request; the words are those of MEF 149."""

    MISSING = "missingProperty"
    INVALID_VALUE = "invalidValue"
    INVALID_FORMAT = "invalidFormat"
    UNKNOWN_REFERENCE = "referenceNotFound"
    UNEXPECTED = "unexpectedProperty"
    TOO_MANY = "tooManyRecords"
    OTHER = "otherIssue"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a client. `pointer` (RFC 6901) is empty if it concerns the whole body or a query."""

    code: MistakeCode
    sentence: str
    pointer: str = ""


class ApiRefusedError(Exception):
    """A request is refused as a whole, with an HTTP status and every mistake that was found."""

    def __init__(self, status: int, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(mistake.sentence for mistake in mistakes))
        self.status = status
        self.mistakes = tuple(mistakes[:MAX_MISTAKES])


def refuse(status: int, code: MistakeCode, sentence: str, pointer: str = "") -> ApiRefusedError:
    """Return the error of one mistake."""
    return ApiRefusedError(status, [Mistake(code, sentence, pointer)])


def error_document(status: int, mistakes: Sequence[Mistake]) -> dict[str, object]:
    """Return a TMF `Error`; `propertyPath` and, for several mistakes, `errors` are extensions."""
    first, *others = mistakes
    document: dict[str, object] = {
        "@type": "Error",
        "code": first.code.value,
        "reason": first.sentence,
        "status": str(status),
    }
    if first.pointer:
        document["propertyPath"] = first.pointer
    if others:
        document["message"] = f"{len(mistakes)} mistakes were found; `errors` has all of them."
        document["errors"] = [_entry(mistake) for mistake in mistakes]
    return document


def _entry(mistake: Mistake) -> dict[str, str]:
    place = {"propertyPath": mistake.pointer} if mistake.pointer else {}
    return {"code": mistake.code.value, "reason": mistake.sentence, **place}
