"""The error that ends a request to an external system with a refusal."""

from __future__ import annotations


class RequestRefusedError(Exception):
    """The system refuses a request. The response is a TMF `Error` with this status."""

    def __init__(self, status: int, code: str, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.pointer = pointer
