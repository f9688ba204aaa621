"""The page about spoke profiles: their fields, the callback address, and the HTTP that is sent."""

from __future__ import annotations

import asyncio
import types
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel

from consumers.inbound.authentication.signature import MAX_SIGNATURES
from consumers.inbound.listener import ListenerLimits
from consumers.spokes.conventions.http_conventions import ErrorCode, Paths
from consumers.spokes.credentials import (
    ApiKeyAuth,
    ApiKeyQueryAuth,
    BasicAuth,
    BearerAuth,
    CallbackToken,
    NoAuth,
    OAuth2Auth,
)
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import do_nothing
from consumers.spokes.profile import CancelMethod, Profile
from consumers.spokes.registry import spoke_for
from consumers.spokes.security.callback_credentials import CallbackCertificate, CallbackSignature
from docs.generate import hub_registration, mapping
from docs.generate.markdown import table
from router.responses import HttpResponse
from router.runs.changes import FieldChange
from router.runs.ids import idempotency_key
from router.runs.run import RunRow
from schemas.commands import PinnedDecision, SendRun
from schemas.run_document import RequestedMeasure, RunDocument, ServiceRef, SpecificationRef
from schemas.vocabulary import Phase
from southbound.settings.settings import ListenerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from consumers.spokes.port import BeforeCall, Call
    from consumers.spokes.transport import HttpRequest

INTRODUCTION = """# Profiles of external systems

A spoke is an external system and the way in which Southbound talks to it. Its profile is one YAML file in the folder
`routing.spokes`; every field but `name` and `base_url` has a default. `southbound config check` reports every mistake
in all of them, with its line. An unknown field is a mistake. [How to connect a system](how-to/connect-a-system.md)
goes through it step by step, `southbound spokes probe` tries it, and `southbound spokes schema` prints its JSON
Schema for editors.

```yaml
name: fibre-lab
base_url: https://lab.example/tmf-api/serviceTestManagement/v4
auth: {kind: bearer, token: env:SOUTHBOUND_SECRET_FIBRE_LAB}
callback_auth: {kind: token, token: file:/run/secrets/fibre-lab-callbacks}
result_channels: [callback, poll]
patchable: [description, characteristic]
settle_time: 120
```

The two tokens are not part of the file: `env:` names the environment variable that holds one of them, `file:` the file
that holds the other. `southbound config check` reports each secret that it does not find ([credentials](#credentials)).

## Fields

"""
CREDENTIALS = """
## Credentials

A secret is never written into a profile: its field says where it is, `env:NAME` or `file:PATH`. Variables whose names
begin with `SOUTHBOUND_SECRET_` are not taken for settings. Secrets in files, and the files of `tls`, are read again
when they change. Where a system repeats a credential in a response, `***` stands in its place in all that is logged,
stored and published: in an error one of at least 6 characters, in a success one of at least 16. A shorter one is not
masked, because the same characters may be part of other words: choose longer ones. How to connect a system that wants
them: [OAuth2 and mutual TLS](how-to/oauth2-and-mutual-tls.md).

"""
CALLBACKS = """
## The callback address

The system sends its notifications to one of these addresses at the listener (`listener.host`, `listener.port`; by
default {listener}). `NAME` is the name of the profile:

```
POST http://HOST:PORT/NAME/listener
POST http://HOST:PORT/NAME/listener/EVENT-TYPE
```

- Enter the address at the system, or let Southbound [register it at the system's hub](#registration-at-the-hub).
- The body is a TMF653 event (`{{"eventType": …, "event": {{"serviceTest": {{…}}}}}}`) or the run itself, as JSON of at
  most {body:,} bytes: in UTF-8 with or without a byte order mark, in UTF-16, or in the charset of `Content-Type`.
  A body in another charset that does not declare it is read as `media_types.charset` says, and answered 400 without
  that: RFC 8259 wants UTF-8, and a guess would change names without a word. What an event is about may also stand
  beside its own fields, without `event`.
  An event about a run without state or measures is thin: the run is read with a GET.
- The body may be a list of events: each is stored as a record of its own, all of them or none. The body, or each event
  of the list, may be a CloudEvent around such an event or run (structured mode; a single one also in binary mode, with
  `ce-` headers). The id of an envelope is the id of the event, never of the run. An event of TMF653 v3 may name its run
  by `resourcePath` alone.
- The response is 201 once the notification is stored, or 204 for a profile with `version: "5.0"`. 503 with
  `Retry-After` means: send it again, and so does 429, for more callbacks per second than `callback_limits` allows. 400,
  401, 404 and 413 say in the field `reason` what to correct.
- With `callback_auth: {{kind: token}}` the token stands alone in its header, or as `Authorization: Bearer TOKEN` if the
  header is `Authorization`. With `kind: basic` the request carries user name and password.
- With `kind: hmac` a header carries the HMAC of the body, as `hex` or `base64` behind an optional `prefix`; of several
  signatures in it (separated by spaces or commas, at most {signatures}) one has to be right. `signed` says what is
  signed, by default `{{body}}`; `{{NAME}}` in it stands for the value of a header. With `timestamp_header` the default
  is `{{NAME}}.{{body}}` with that header, and its time (seconds or milliseconds since 1970, or RFC 3339) may differ
  from ours by `tolerance` seconds. A body with a `Content-Encoding` is decoded first. For a system that follows
  Standard Webhooks:

  ```yaml
  callback_auth:
    kind: hmac
    secret: file:/run/secrets/fibre-lab-webhooks
    secret_encoding: base64
    header: webhook-signature
    encoding: base64
    prefix: "v1,"
    timestamp_header: webhook-timestamp
    signed: "{{webhook-id}}.{{webhook-timestamp}}.{{body}}"
  ```

- With `kind: client_certificate` a proxy in front of the listener checks the client certificate and names it in the
  header: its subject as the proxy writes it, its fingerprint (SHA-256 or SHA-1), or the certificate itself (RFC 9440).
  The header counts only from the addresses in `proxies`, and only once: the proxy has to replace what a client sends.
- If the listener is not on loopback, the service does not start with a profile that takes callbacks without
  `callback_auth`, unless the profile says `unauthenticated_callbacks: accept from anyone`. Without `callback_auth`, the
  external id in a callback counts only if a look-up confirms it.
- A profile with neither `callback_auth` nor `callback` among its `result_channels` has no callback address.

{registration}## The HTTP that is sent

Every request carries the headers shown here, `Host`, the credentials of `auth`, and those of `run_headers`. Redirects
are not followed, and the HTTP client never repeats a POST or PATCH. `Idempotency-Key` and `X-Request-ID` are the same
for every attempt with the same body. The code writes these examples, for a profile with the defaults and `patchable:
[description]`.

"""
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
RUN = RunDocument(
    run_id="TR0001",
    name="Line test for CS0020931",
    test_specification=SpecificationRef(id="fibre-line"),
    related_service=ServiceRef(id="SVC-FTTH-88120"),
    test_measure=(RequestedMeasure(id="TM-1", metric_name="opticalRxPower", unit_of_measure="dBm"),),
)
DECISION = PinnedDecision(policy="outbound-policy@1#R1", selector="spoke-selector@1#S1", hierarchical=False)


def page() -> str:
    """Return the text of the page.

    Raises:
        LookupError: a field of the model has no description.
    """
    rows = field_rows(Profile)
    listener = ListenerSettings()
    address, body = f"`{listener.host}:{listener.port}`", ListenerLimits().max_body_bytes
    callbacks = CALLBACKS.format(
        listener=address, body=body, signatures=MAX_SIGNATURES, registration=hub_registration.section()
    )
    fields = table(("field", "kind", "default", "meaning"), rows)
    parts = (fields, mapping.section(), _credentials(), callbacks, asyncio.run(_examples()))
    return INTRODUCTION + "".join(parts)


def field_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Return the rows of a table of the fields of a model.

    Raises:
        LookupError: a field has no description.
    """
    fields = dict(fields_of(model))
    if bare := [name for name, field in fields.items() if not field.description]:
        raise LookupError(f"{model.__name__}: fields without a description: {', '.join(bare)}")
    return [
        (f"`{name}`", _kind(field.annotation), _default(field), field.description or "")
        for name, field in fields.items()
    ]


def fields_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields of a model and of the models inside it, with names such as `retry.max_attempts`."""
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields_of(field.annotation, f"{above}{name}.")
        else:
            yield f"{above}{name}", field


def _kind(annotation: Any) -> str:  # noqa: ANN401, PLR0911 - any annotation; one line per kind
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in arguments)
    if origin is types.UnionType or "Union" in str(origin):
        known = [one for one in arguments if one is not types.NoneType]
        return "credentials" if isinstance(known[0], type) and issubclass(known[0], BaseModel) else _kind(known[0])
    if origin is tuple and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
        return "list of rules"
    if origin in (frozenset, tuple):
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return _kind_of_map(*arguments)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{one.value}`" for one in annotation if one.value != "unknown")
    return {int: "whole number", float: "number", bool: "true or false"}.get(annotation, "text")


def _kind_of_map(keys: object, values: object) -> str:
    named = {
        "RunState": "texts and states",
        "DeclaredMeaning": "codes and meanings" if keys is ErrorCode else "statuses and meanings",
        "frozenset": "methods and lists",
    }
    return next((kind for word, kind in named.items() if word in str(values)), "texts")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.get_default(call_default_factory=True):
        case None | {} | () | "":
            return "none"
        case NoAuth():
            return "`{kind: none}`"
        case bool() as value:
            return f"`{str(value).lower()}`"
        case tuple() | frozenset() as values:
            texts = map(str, values)
            return f"`[{', '.join(texts if isinstance(values, tuple) else sorted(texts))}]`"
        case value:
            return f"`{value}`"


def _credentials() -> str:
    kinds = {
        "auth": (NoAuth, BasicAuth, BearerAuth, ApiKeyAuth, ApiKeyQueryAuth, OAuth2Auth),
        "callback_auth": (NoAuth, BasicAuth, CallbackToken, CallbackSignature, CallbackCertificate),
    }
    rows = [_credentials_row(field, model) for field, models in kinds.items() for model in models]
    return CREDENTIALS + table(("field", "`kind`", "further fields", "meaning"), rows)


def _credentials_row(field: str, model: type[BaseModel]) -> tuple[str, str, str, str]:
    further = [_credential_field(name, one) for name, one in model.model_fields.items() if name != "kind"]
    meaning = (model.__doc__ or "").splitlines()[0]
    return f"`{field}`", f"`{model.model_fields['kind'].default}`", ", ".join(further) or "none", meaning


def _credential_field(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return f"`{name}`"
    return f"`{name}` (by default `{field.default}`)" if field.default else f"`{name}` (may be left out)"


class RequestRecorder:
    """A transport that records requests and sends nothing."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse:
        """Record a request."""
        await before()
        self.requests.append(request)
        return HttpResponse(status=200)

    async def close(self) -> None:
        """Do nothing."""


async def _examples() -> str:
    profile = Profile(name="fibre-lab", base_url="https://lab.example/v4", patchable=frozenset({"description"}))
    recorder, calls = RequestRecorder(), dict(_calls(profile))
    client = SpokeClient([profile], {}, lambda _: recorder)
    for call in calls.values():
        await client.call(profile.name, call)
    shown = zip(calls, recorder.requests, strict=True)
    return "\n".join(f"{title}:\n\n```http\n{request_text(request)}\n```\n" for title, request in shown)


def _calls(profile: Profile) -> Iterator[tuple[str, Call]]:
    spoke, deleting = spoke_for(profile), spoke_for(profile.model_copy(update={"cancel": CancelMethod.DELETE}))
    row = RunRow(
        run_id=RUN.run_id,
        root_run_id=RUN.run_id,
        parent_run_id=None,
        tenant=None,
        request_id="RQ0001",
        spoke=profile.name,
        decision=DECISION,
        phase=Phase.ACCEPTED,
        external_id="89757",
        requested=RUN,
        sent=RUN,
        created_at=NOON,
        updated_at=NOON,
        revision=1,
    )
    post = spoke.to_send(SendRun(run=RUN, request_id="RQ0001", spoke=profile.name, decision=DECISION), None)
    yield "A run", replace(post, idempotency_key=idempotency_key("RQ0001", RUN.run_id, post.body or b""))
    if look_up := spoke.to_look_up(RUN):
        yield "The look-up of a POST with unknown outcome", look_up
    yield "A page of all runs, if the look-up proves nothing", spoke.to_list(0)
    yield "The state of a run: after a thin event, and at a poll", spoke.to_read("89757")
    change = FieldChange(field="description", old=None, new="Second visit")
    yield (
        "A change",
        spoke.to_change(replace(row, requested=RUN.model_copy(update={"description": "Second visit"})), [change], "K2"),
    )
    yield "A cancellation", spoke.to_cancel(row, None, "K3")
    yield "A cancellation with `cancel: delete`", deleting.to_cancel(row, None, "K3")
    stopping = profile.model_copy(
        update={"cancel": CancelMethod.POST, "paths": Paths(cancel="/serviceTest/{id}/cancel")}
    )
    yield (
        "A cancellation with `cancel: post` and `paths: {cancel: /serviceTest/{id}/cancel}`",
        spoke_for(stopping).to_cancel(row, None, "K3"),
    )
    tasks = spoke_for(profile.model_copy(update={"cancel": CancelMethod.TASK}))
    yield "A cancellation with `cancel: task`, for TMF653 5.0", tasks.to_cancel(row, "The fault is gone", "K3")


def request_text(request: HttpRequest) -> str:
    """Return a request as HTTP writes it, with its body indented."""
    head = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers.items())]
    body = ["", orjson.dumps(orjson.loads(request.body), option=orjson.OPT_INDENT_2).decode()] if request.body else []
    return "\n".join([*head, *body])
