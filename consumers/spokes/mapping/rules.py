"""The rules of a mapping as a profile writes them; a mistake in one is found when the profile is loaded."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from consumers.spokes.credentials import ProfileModel
from consumers.spokes.mapping.known_fields import EVENT, READ, SENT, FieldTree, unknown_field
from consumers.spokes.mapping.pointers import EACH, NEW, parse_pointer
from schemas.text.time_zones import check_time_zone

EPOCH_SECONDS, EPOCH_MILLISECONDS = "epochSeconds", "epochMilliseconds"
MAX_RULES = 200


def _check_pointer(text: str) -> str:
    parse_pointer(text)
    return text


def _check_date_format(text: str) -> str:
    if text not in {EPOCH_SECONDS, EPOCH_MILLISECONDS} and "%" not in text:
        raise ValueError(f"must be a format such as %Y-%m-%d %H:%M:%S, {EPOCH_SECONDS} or {EPOCH_MILLISECONDS}")
    return text


def text_of(value: object) -> str:
    """Return a JSON value as the key of a table of values: true as `true`, 2 as `2`."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _keys_as_texts(table: object) -> object:
    return {text_of(key): value for key, value in table.items()} if isinstance(table, dict) else table


Pointer = Annotated[str, Field(max_length=500), AfterValidator(_check_pointer)]
Table = Annotated[dict[str, Any], BeforeValidator(_keys_as_texts), Field(min_length=1, max_length=1000)]


class MappingRule(ProfileModel):
    """One rule: `from` moves or translates a field, `constant` sets one, `drop` removes one."""

    model_config = ConfigDict(populate_by_name=True)
    reads: ClassVar[FieldTree | None] = None  # the fields that `from` and `drop` may name
    writes: ClassVar[FieldTree | None] = None  # the fields that `to` may name

    source: Pointer | None = Field(default=None, alias="from", description="The field that is moved or translated.")
    to: Pointer | None = Field(default=None, description="Where it is written. None: where it was.")
    keep: bool = Field(default=False, description="Whether it also stays where it was.")
    constant: Any = Field(default=None, description="A value that is written to `to`.")
    drop: Pointer | None = Field(default=None, description="The field that is removed.")
    values: Table | None = Field(default=None, description="Value that is found: value that is written.")
    otherwise: Any = Field(
        default=None,
        description="What is written for a value that `values` does not have. Null is no value, and stays as it is.",
    )
    date: Annotated[str, AfterValidator(_check_date_format)] | None = Field(
        default=None,
        description=(
            f"The system's format of the moment: `{EPOCH_SECONDS}`, `{EPOCH_MILLISECONDS}` (both since 1970), or a"
            " format of `strptime` such as `%d.%m.%Y %H:%M`."
        ),
    )
    decimal: Literal[",", "."] | None = Field(
        default=None,
        description=(
            "The sign before the fraction in numbers that the system writes as texts: with `,` the text `1.234,5` is"
            " read as 1234.5, and a number is sent as such a text."
        ),
    )
    zone: Annotated[str, AfterValidator(check_time_zone)] = Field(
        default="UTC", description="Time zone of a format without one."
    )

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        given = self.model_fields_set
        kinds = [name for name in ("source", "constant", "drop") if name in given]
        if len(kinds) != 1:
            raise ValueError("must have one of 'from', 'constant' and 'drop'")
        allowed = {
            "source": {"source", "to", "keep", "values", "otherwise", "date", "zone", "decimal"},
            "constant": {"constant", "to"},
            "drop": {"drop"},
        }[kinds[0]]
        if wrong := sorted(given - allowed):
            raise ValueError(f"'{wrong[0]}' has no place in a rule with '{kinds[0].replace('source', 'from')}'")
        if kinds[0] == "constant" and self.to is None:
            raise ValueError("a rule with 'constant' needs 'to'")
        if "otherwise" in given and self.values is None:
            raise ValueError("'otherwise' needs 'values'")
        if self.date is not None and self.decimal is not None:
            raise ValueError("a value is a moment or a number: 'date' and 'decimal' exclude each other")
        return self

    @model_validator(mode="after")
    def _check_pointers(self) -> Self:
        source = parse_pointer(self.source) if self.source else ()
        to = parse_pointer(self.to) if self.to else source
        if source.count(EACH) != to.count(EACH) and self.source:
            raise ValueError("'from' and 'to' must have the same number of *")
        if self.source is None and EACH in to:
            raise ValueError("'to' of a constant has no *")
        if NEW in source or (self.drop and NEW in parse_pointer(self.drop)):
            raise ValueError("- is a new item, so only 'to' may have it")
        return self

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        name, place = ("from", self.source) if self.source else ("drop", self.drop)
        if self.reads is not None and place and (mistake := unknown_field(parse_pointer(place), self.reads)):
            raise ValueError(f"'{name}': {mistake}")
        if self.writes is not None and self.to and (mistake := unknown_field(parse_pointer(self.to), self.writes)):
            raise ValueError(f"'to': {mistake}")
        return self


class SendRule(MappingRule):
    """A rule for what is sent, from the fields of TMF653."""

    reads: ClassVar[FieldTree | None] = SENT


class ReceiveRule(MappingRule):
    """A rule for a run that is read, to the fields of TMF653."""

    writes: ClassVar[FieldTree | None] = READ


class EventRule(MappingRule):
    """A rule for a notification, to the envelope of TMF653."""

    writes: ClassVar[FieldTree | None] = EVENT


Rules = Annotated[tuple[SendRule, ...], Field(max_length=MAX_RULES)]


class MappingSettings(ProfileModel):
    """What a system has instead of fields of TMF653. The rules of a list are applied in their order."""

    send: Rules = Field(default=(), description="Rules for the bodies of POST and PATCH: see [mapping](#mapping).")
    create: Rules = Field(default=(), description="Rules for the body of a POST, after those of `mapping.send`.")
    change: Rules = Field(default=(), description="Rules for the body of a PATCH, after those of `mapping.send`.")
    receive: Annotated[tuple[ReceiveRule, ...], Field(max_length=MAX_RULES)] = Field(
        default=(), description="Rules for a run in a response or a notification."
    )
    event: Annotated[tuple[EventRule, ...], Field(max_length=MAX_RULES)] = Field(
        default=(), description="Rules for a notification as a whole, before those of `mapping.receive`."
    )
    run_at: Pointer | None = Field(
        default=None, description="Where the run is in a response about one run. None: it is the response."
    )
    runs_at: Pointer | None = Field(
        default=None, description="Where the list of runs is in the response to a look-up. None: it is the response."
    )
    total_at: Pointer | None = Field(
        default=None, description="Where that response says how many runs there are. None: in `X-Total-Count`."
    )
    next_at: Pointer | None = Field(
        default=None,
        description=(
            "Where that response names the next page: its address, or the value of the query parameter `cursor`"
            " (`query_names`). A response that has nothing there is the last page. None: in `Link`, or by `offset`."
        ),
    )


NOTHING = MappingSettings()
