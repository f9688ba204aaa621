"""Who starts a command that changes something, and why."""

from __future__ import annotations

import getpass

from southbound.exit_codes import invalid_input

_MAX_AUTHOR_LENGTH = 200  # characters
_MAX_COMMENT_LENGTH = 2_000  # characters


def author_name(author: str | None) -> str:
    """Return the author, without one the user of this system.

    Raises:
        CommandFailedError: the user has no name.
    """
    try:
        return (author or getpass.getuser())[:_MAX_AUTHOR_LENGTH]
    except (KeyError, OSError):
        raise invalid_input(["--author NAME is needed: this system has no name for its user"]) from None


def checked_comment(comment: str) -> str:
    """Return the comment.

    Raises:
        CommandFailedError: it is too long.
    """
    if len(comment) > _MAX_COMMENT_LENGTH:
        raise invalid_input([f"--comment has more than {_MAX_COMMENT_LENGTH} characters: shorten it"])
    return comment
