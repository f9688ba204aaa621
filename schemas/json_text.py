"""Write a message or a document as JSON once: its id, its record in Kafka and the row of its run need the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.base import Model
    from schemas.run_document import RunDocument

_MAX_TEXTS = 1024  # those of a usual group of updates, several times
_MAX_TEXT_LENGTH = 8192  # characters; a longer one is written each time, so that all of them stay below 8 MB

# By id(): a model is referenced here for as long as its text, so that no other one gets its id().
_Texts = dict[int, tuple["Model", str]]
_message_texts: _Texts = {}
_document_texts: _Texts = {}


def json_text(message: Model) -> str:
    """Return the JSON of a message, which is frozen, without the fields that are null."""
    known = _message_texts.get(id(message))
    if known is not None:
        return known[1]
    return _remember(_message_texts, message, message.model_dump_json(exclude_none=True))


def document_text(document: RunDocument) -> str:
    """Return the JSON of a document, which is frozen, without defaults: a contract's defaults never change."""
    known = _document_texts.get(id(document))
    if known is not None:
        return known[1]
    return _remember(_document_texts, document, document.model_dump_json(exclude_defaults=True))


def _remember(texts: _Texts, model: Model, text: str) -> str:
    if len(text) <= _MAX_TEXT_LENGTH:
        if len(texts) >= _MAX_TEXTS:
            texts.clear()  # safe with several threads, and what is needed again is written again
        texts[id(model)] = (model, text)
    return text
