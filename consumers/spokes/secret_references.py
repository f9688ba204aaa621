"""Keep secrets out of profiles: a profile says where a secret is, never what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping


class SecretMissingError(Exception):
    """A secret is not where the profile says; the sentence names the place, never the secret."""


def _is_a_reference(text: str) -> str:
    kind, _, place = text.partition(":")
    if kind not in {"env", "file"} or not place:
        # The text is not repeated here: it may be the secret itself.
        raise ValueError("must say where the secret is (env:NAME or file:PATH), never the secret itself")
    return text


SecretReference = Annotated[str, AfterValidator(_is_a_reference)]


def fetch_secret(reference: str, environment: Mapping[str, str]) -> SecretStr:
    """Read the secret that `reference` points to.

    Raises:
        SecretMissingError: it is not there, or it is empty.
    """
    kind, _, place = reference.partition(":")
    text = environment.get(place, "") if kind == "env" else _text_of(place)
    if not text:
        raise SecretMissingError(f"there is no secret at {reference}: {_remedy(kind, place)}")
    return SecretStr(text)


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError, ValueError):
        return ""


def _remedy(kind: str, place: str) -> str:
    return f"set the environment variable {place}" if kind == "env" else "write it to that file as text"
