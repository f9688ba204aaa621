"""Read the file of API keys: which clients have keys, what they may do, and the rows of which tenant they see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from consumers.northbound.access.api_keys import MAX_KEY_LENGTH, MIN_KEY_LENGTH, KnownKey, digest_of
from consumers.northbound.access.authenticator import AuthenticatedClient
from consumers.northbound.tokens.claims import ALL_TENANTS, is_name
from consumers.spokes.credentials import SecretMissingError, fetch_secret
from router.northbound.principal import Principal, Scope
from schemas.files.mistakes import sentence_of
from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

_HASHED, _IN_FILE = "sha256:", "file:"
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}")
_MAX_CLIENTS = 1_000
_MAX_MISTAKES = 100
_SCOPES = {scope.value.removeprefix("southbound."): scope for scope in Scope}


class KeyFile(NamedTuple):
    """The keys of a file, and the other files in which some of them are."""

    keys: tuple[KnownKey, ...]
    files: tuple[Path, ...] = ()


class KeyFileError(Exception):
    """The file of API keys cannot be used; `mistakes` has a sentence for each mistake, none with a secret."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def _check_key(text: str) -> str:
    kind, _, location = text.partition(":")
    if not (_DIGEST.fullmatch(text) or (kind in {"env", "file"} and location)):
        # The text is not repeated here: it may be the key itself.
        raise ValueError("must be sha256:DIGEST (64 hexadecimal digits), env:NAME or file:PATH, never the key itself")
    return text


def _check_name(text: str) -> str:
    if not is_name(text):
        raise ValueError("must be printable, 1 to 200 characters without spaces around them")
    return text


def _check_scope(text: str) -> str:
    if text not in _SCOPES:
        raise ValueError(f"must be one of {', '.join(_SCOPES)}")
    return text


_Name = Annotated[str, AfterValidator(_check_name)]


class ApiClient(BaseModel):
    """A client with API keys. It may have several keys, so that one can be replaced while another is in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    keys: list[Annotated[str, AfterValidator(_check_key)]] = Field(min_length=1, max_length=10)
    # Required, so that a forgotten line does not show the rows of all tenants.
    tenant: _Name
    scopes: list[Annotated[str, AfterValidator(_check_scope)]] = Field(min_length=1)
    rate: float | None = Field(None, gt=0, le=1_000_000)
    burst: int | None = Field(None, ge=1, le=1_000_000)
    max_body_bytes: int | None = Field(None, ge=1, le=900_000)

    @property
    def client(self) -> AuthenticatedClient:
        """Who calls with one of the keys."""
        return AuthenticatedClient(
            principal=Principal(
                name=f"key:{self.name}",
                tenant=None if self.tenant == ALL_TENANTS else self.tenant,
                scopes=frozenset(_SCOPES[scope] for scope in self.scopes),
            ),
            credential="key",
            rate=self.rate,
            burst=self.burst,
            max_body_bytes=self.max_body_bytes,
        )


class ApiClients(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clients: list[ApiClient] = Field(min_length=1, max_length=_MAX_CLIENTS)


def load_keys(path: Path, environment: Mapping[str, str]) -> tuple[KnownKey, ...]:
    """Return all keys of all clients.

    Raises:
        KeyFileError: with all mistakes of the file, and of the keys to which it refers.
    """
    return load_key_file(path, environment).keys


def load_key_file(path: Path, environment: Mapping[str, str]) -> KeyFile:
    """Return all keys of all clients, with the files to which they refer.

    Raises:
        KeyFileError: with all mistakes of the file, and of the keys to which it refers.
    """
    try:
        read = read_yaml_file(path)
    except YamlFileError as error:
        raise KeyFileError([str(error)]) from None
    try:
        content = ApiClients.model_validate(read.value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[:_MAX_MISTAKES]
        raise KeyFileError([_mistake(path, read, detail) for detail in details]) from None
    references = [reference for client in content.clients for reference in client.keys]
    files = [Path(reference.removeprefix(_IN_FILE)) for reference in references if reference.startswith(_IN_FILE)]
    return KeyFile(_known_keys(path, read, content, environment), tuple(files))


def _known_keys(
    path: Path, read: YamlFile, content: ApiClients, environment: Mapping[str, str]
) -> tuple[KnownKey, ...]:
    mistakes = [f"{path}:{read.locate(('clients', at, 'name'))[0]}: {text}" for at, text in _repeated_names(content)]
    keys: dict[bytes, KnownKey] = {}
    for at, client in enumerate(content.clients):
        for number, reference in enumerate(client.keys):
            line = read.locate(("clients", at, "keys", number))[0]
            try:
                digest = _digest(reference, environment)
            except (SecretMissingError, ValueError) as error:
                mistakes.append(f"{path}:{line}: client '{client.name}': {error}")
                continue
            if digest in keys:
                mistakes.append(f"{path}:{line}: client '{client.name}': this key stands here twice: remove one")
            keys.setdefault(digest, KnownKey(digest=digest, client=client.client))
    if mistakes:
        raise KeyFileError(mistakes)
    return tuple(keys.values())


def _repeated_names(content: ApiClients) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for at, client in enumerate(content.clients):
        if client.name in seen:
            yield at, f"client '{client.name}' is described twice: put both keys under one"
        seen.add(client.name)


def _digest(reference: str, environment: Mapping[str, str]) -> bytes:
    if reference.startswith(_HASHED):
        return bytes.fromhex(reference.removeprefix(_HASHED))
    key = fetch_secret(reference, environment).get_secret_value()
    if not (MIN_KEY_LENGTH <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        sentence = f"must have {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} printable ASCII characters"
        raise ValueError(f"the key at {reference} {sentence}: make one with `southbound access key`")
    return digest_of(key)


def _mistake(path: Path, read: YamlFile, error: ErrorDetails) -> str:
    line, field = read.locate(error["loc"])
    sentence = _SENTENCES.get(error["type"]) or sentence_of(error)
    return f"{path}:{line}: field '{field or 'clients'}': {sentence}"


_SENTENCES = {
    "missing": f"is missing (`tenant: '{ALL_TENANTS}'` lets a client see the rows of all tenants)",
    "extra_forbidden": "there is no such field: remove it",
    "model_type": "must be a mapping",
    "string_type": "must be text: put it in quotes",
    "list_type": "must be a list",
}
