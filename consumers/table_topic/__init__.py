"""The tables topic: read, written and followed, and the live tables that decisions are made by."""
