"""Cache which text is which document, because a run's document is read and written several times in seconds.

The whole text is the key, so the database stays the owner of the truth; the cache only saves parsing (30 µs) and
writing (9 µs), most of the cost of a row.
"""

from __future__ import annotations

from schemas.json_text import document_text
from schemas.run_document import RunDocument

MAX_CHARACTERS = 2_000_000  # characters of text; the documents themselves take about ten times that, in bytes
MAX_TEXT_LENGTH = 8192  # one of them would evict too many others


class DocumentCache:
    """Texts and documents; the least recently used are evicted."""

    def __init__(self, max_characters: int = MAX_CHARACTERS) -> None:
        self._free_characters = max_characters
        self._documents: dict[str, RunDocument] = {}
        self._texts: dict[int, str] = {}  # by id(): the documents are referenced above, so that ids stay theirs

    def read(self, text: str) -> RunDocument:
        """Parse JSON text that `write` returned."""
        document = self._documents.get(text)
        if document is None:
            document = RunDocument.model_validate_json(text)
            self._remember(text, document)
        return document

    def write(self, document: RunDocument) -> str:
        """Return JSON text without defaults: half the bytes, and a contract's defaults never change."""
        text = self._texts.get(id(document))
        if text is None:
            text = document_text(document)
            self._remember(text, document)
        return text

    def _remember(self, text: str, document: RunDocument) -> None:
        if len(text) > MAX_TEXT_LENGTH or text in self._documents:
            return
        self._documents[text] = document
        self._texts[id(document)] = text
        self._free_characters -= len(text)
        while self._free_characters < 0:
            self._evict(next(iter(self._documents)))

    def _evict(self, text: str) -> None:
        del self._texts[id(self._documents.pop(text))]
        self._free_characters += len(text)
