"""How one system uses HTTP: its paths, the meaning of its statuses, the headers of a run, and the proxy before it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from consumers.spokes.credentials import HeaderName, ProfileModel, SecretReference
from router.error_bodies import MAX_CODE_LENGTH
from router.responses import DeclaredMeaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.results import Reason

ID = "{id}"
_PATH = re.compile(r"/[!-~]*")


def _check_path(path: str) -> str:
    if not _PATH.fullmatch(path) or "?" in path or "#" in path:
        raise ValueError("must begin with '/' and have neither a space nor '?' nor '#'")
    if any(part in {".", ".."} for part in path.split("/")):
        raise ValueError("must not have '.' or '..' as a part")
    return path.rstrip("/")


def _check_collection_path(path: str) -> str:
    if "{" in path:
        raise ValueError("names all runs, so it has no {id}")
    return _check_path(path)


def _check_run_path(path: str) -> str:
    if path.count(ID) != 1 or path.replace(ID, "").count("{"):
        raise ValueError("must contain {id} once, for the id of the run at the system")
    return _check_path(path)


CollectionPath = Annotated[str, AfterValidator(_check_collection_path)]
RunPath = Annotated[str, AfterValidator(_check_run_path)]


class Paths(ProfileModel):
    """The paths of a system, below `base_url`."""

    create: CollectionPath = Field(default="/serviceTest", description="Path of a POST, below `base_url`.")
    search: CollectionPath = Field(
        default="/serviceTest", description="Path of look-ups and of the list of runs, below `base_url`."
    )
    run: RunPath = Field(default="/serviceTest/{id}", description="Path of one run, below `base_url`.")
    change: RunPath | None = Field(default=None, description="Path of a PATCH that changes a run. None: `paths.run`.")
    cancel: RunPath | None = Field(
        default=None, description="Path of the PATCH, DELETE or POST that cancels a run. None: `paths.run`."
    )

    def of_run(self, external_id: str) -> str:
        """Return the path of a run."""
        return path_with_id(self.run, external_id)

    def of_change(self, external_id: str) -> str:
        """Return the path of a PATCH."""
        return path_with_id(self.change or self.run, external_id)

    def of_cancellation(self, external_id: str) -> str:
        """Return the path of a cancellation."""
        return path_with_id(self.cancel or self.run, external_id)


# Of look-ups and lists: the filters that TMF653 servers have, and where a page begins.
QueryParameter = Literal["name", "relatedService.id", "externalIdentifier.id", "offset", "limit", "cursor"]
QueryName = Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]


def path_with_id(path: str, external_id: str) -> str:
    """Return the path with an id of the system in the place of `{id}`, escaped."""
    # `.` and `..` would name another resource.
    segment = external_id.replace(".", "%2E") if external_id in {".", ".."} else quote(external_id, safe="")
    return path.replace(ID, segment)


class Method(StrEnum):
    """The methods that are sent."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


_STATUS = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) )?([3-5][0-9]{2})")


def _check_status(text: str) -> str:
    if not _STATUS.fullmatch(text):
        raise ValueError(
            "must be a status from 300 to 599, or one after a method, such as 'POST 403': which statuses mean success "
            "is set by success_codes"
        )
    return text


# YAML reads 403 as a number.
Status = Annotated[str, BeforeValidator(lambda key: str(key)), AfterValidator(_check_status)]  # noqa: PLW0108 - str alone would be taken for a type
Meanings = dict[Status, DeclaredMeaning]


# YAML reads 60 as a number.
ErrorCode = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CODE_LENGTH),
    BeforeValidator(lambda key: str(key)),  # noqa: PLW0108 - as above
]
ErrorMeanings = dict[ErrorCode, DeclaredMeaning]


def meaning_of_errors(reasons: Iterable[Reason], declared: ErrorMeanings) -> DeclaredMeaning | None:
    """Return what the first of these errors means that the profile names by its code; None if it names none."""
    return next((declared[reason.code] for reason in reasons if reason.code in declared), None)


def meanings_by_call(declared: Meanings) -> Mapping[tuple[str, int], DeclaredMeaning]:
    """Return what each status means in the response to each method; what names its method counts more."""
    by_method: dict[tuple[str, int], DeclaredMeaning] = {}
    for key, meaning in sorted(declared.items(), key=lambda item: " " in item[0]):
        method, _, status = key.rpartition(" ")
        by_method |= {(each, int(status)): meaning for each in ([method] if method else Method)}
    return by_method


_SET_BY_US = frozenset({"authorization", "content-length", "content-type", "cookie", "host", "transfer-encoding"})


def _check_run_header(name: str) -> str:
    if name.lower() in _SET_BY_US:
        raise ValueError(f"must not be {name}: Southbound sets it")
    return name


RunHeader = Annotated[HeaderName, AfterValidator(_check_run_header)]


class RunHeaders(ProfileModel):
    """Headers that are about the run of a call."""

    conversation: RunHeader | None = Field(
        default="X-Conversation-ID",
        description="Header that carries the id of the request, the same in all calls about its runs. None: not sent.",
    )
    tenant: RunHeader | None = Field(
        default=None, description="Header that carries the tenant of the run, if it has one. None: not sent."
    )
    trace: bool = Field(
        default=True,
        description=(
            "Whether calls carry `traceparent` (W3C Trace Context): that of the event that leads to the call, else one"
            " that is the same for all calls about a request."
        ),
    )


def _check_proxy_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError("must be an address such as http://proxy.example:3128, without a path")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials: use proxy.username and proxy.password")
    return url.rstrip("/")


class ProxySettings(ProfileModel):
    """The HTTP proxy through which a system is reached. A system with https is reached in a tunnel (CONNECT)."""

    url: Annotated[str, AfterValidator(_check_proxy_address)] | None = Field(
        default=None, description="Address of the HTTP proxy to the system. None: it is reached directly."
    )
    username: Annotated[str, Field(min_length=1, pattern=r"^[^:]+$")] | None = Field(
        default=None, description="User name at the proxy."
    )
    password: Annotated[SecretReference, Field(pattern="^file:")] | None = Field(
        default=None, description="Where the password at the proxy is: `file:PATH`."
    )

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if (self.username is None) is not (self.password is None):
            raise ValueError("username and password are needed both, or neither")
        if self.url is None and self.username:
            raise ValueError("username and password need a url")
        return self
