"""Run one command of this machine to its end and keep what it said."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS = 800  # characters worth putting in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    ok: bool
    said: str

    @property
    def last_words(self) -> str:
        """The end of what it printed."""
        return self.said.strip()[-LAST_WORDS:] or "nothing"


def run_command(words: Sequence[str | Path], *, seconds: float | None = None) -> Ended:
    """Run a command without input; one that is missing or too slow has not ended well.

    Args:
        words: the command and its arguments; no shell reads them.
        seconds: how long it may take.
    """
    try:
        done = subprocess.run(  # noqa: S603 - every caller spells its command; only paths and names vary
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return Ended(ok=False, said=str(trouble))
    return Ended(ok=done.returncode == 0, said=done.stdout)
