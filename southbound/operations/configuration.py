"""Run `southbound config check` and `southbound config show`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
from pydantic import SecretStr
from rich.table import Table

from consumers.inbound.callback_auth import authenticator_for
from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.http_client import open_connections
from consumers.table_topic.live_pair import PublishedTableIds
from schemas.text.counts import count_noun
from schemas.topics import TopicNames
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_result, print_text
from southbound.service.composition.callback_addresses import registration_mistakes, url_token
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.open_api import access_mistakes
from southbound.service.open_callbacks import open_callback_mistakes, openly_accepted
from southbound.service.streams.clients import destination_servers, source_clusters, stream_mistakes
from southbound.service.streams.topic_checks import copied_topics
from southbound.settings.settings import sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.spokes.profile import Profile
    from router.selection.load import RoutingTables
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import LoadedSettings, Settings

MASK = "******"
# librdkafka's own settings that hold secrets, and passwords inside addresses.
SECRET_NAME = re.compile(r"password|secret|token|\.pem$|jaas|credential", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)([^/:?#]*):(.*)@")  # greedy: a password may contain any character
SECRET_PARAMETER = re.compile(r"(?i)(password|secret|token|sslkey)=[^&]*")


def check_configuration(settings: Settings, environment: Mapping[str, str]) -> int:
    """Run `southbound config check`.

    Raises:
        CommandFailedError: with every mistake of all files and secrets.
    """
    try:
        rules = load_rules(settings.routing, settings.writeback.targets, settings.streams)
    except InvalidConfigurationError as error:
        raise invalid_input(error.mistakes) from None
    mistakes = list(dict.fromkeys(missing_secrets(rules.profiles, environment)))
    mistakes += _missing_target_secrets(rules.targets, environment)
    mistakes += open_callback_mistakes(settings.listener.host, rules.profiles)
    mistakes += registration_mistakes(settings.listener.public_url, rules.profiles)
    mistakes += stream_mistakes(rules, settings.kafka, environment)
    mistakes += access_mistakes(settings.api.host, settings.access, environment)
    if mistakes:
        raise invalid_input(mistakes)
    for line in _valid_configuration_lines(settings, rules):
        print_text(line)
    return ExitCode.SUCCESS


def missing_secrets(profiles: tuple[Profile, ...], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each secret or file of these profiles that is missing or wrong."""
    try:
        open_connections(profiles, environment)
    except SecretMissingError as error:
        yield from str(error).splitlines()
    for profile in profiles:
        try:
            authenticator_for(profile.callback_auth, environment)
            url_token(profile, environment)
        except (SecretMissingError, ValueError) as error:
            yield f"spoke '{profile.name}', field 'callback_auth': {error}"


def _missing_target_secrets(targets: tuple[WritebackTarget, ...], environment: Mapping[str, str]) -> Iterator[str]:
    try:
        open_connections(targets, environment)
    except SecretMissingError as error:
        yield from str(error).splitlines()


def _valid_configuration_lines(settings: Settings, rules: RoutingRules) -> Iterator[str]:
    yield "settings are valid"
    yield from _table_lines(rules.tables)
    for profile in rules.profiles:
        yield f"spoke {profile.name}: {profile.base_url}"
    for target in rules.targets:
        yield f"target {target.name}: {target.base_url}"
    for source in rules.sources:
        servers = " and ".join(source_clusters(settings.kafka, source))
        yield f"source {source.name}: {source.topic} at {servers}, as {source.format}"
    for destination in rules.destinations:
        topics = " and ".join(copied_topics(destination, TopicNames(settings.kafka.prefix)).values())
        yield f"destination {destination.name}: {topics} at {destination_servers(settings.kafka, destination)}"
    for name in openly_accepted(settings.listener.host, rules.profiles):
        yield f"spoke {name}: anyone who reaches {settings.listener.host} can report its results, as it accepts"
    if settings.api.enabled and settings.access.is_off:
        yield "API: every process of this machine may use it, as neither access.keys nor access.issuer is set"
    yield f"not contacted: Kafka {settings.kafka.servers}, run store {_mask(settings.store.url)}"


def _table_lines(tables: RoutingTables | PublishedTableIds) -> Iterator[str]:
    if isinstance(tables, PublishedTableIds):
        yield f"tables {tables.policy} and {tables.selector}: the live versions, see `southbound tables list`"
        return
    for table in (tables.policy.table, tables.selector.table):
        tests = f"{count_noun(len(table.tests), 'saved test')} passed" if table.tests else "no saved tests"
        yield f"table {table.id}@{table.version}: {count_noun(len(table.rows), 'row')}, {tests}"


def show_configuration(loaded: LoadedSettings, *, as_json: bool) -> int:
    """Run `southbound config show`."""
    rows = [
        (f"{section}.{name}", _mask(getattr(getattr(loaded.settings, section), name)), loaded.origin(section, name))
        for section, model in sections().items()
        for name in model.model_fields
    ]
    if as_json:
        for setting, value, origin in rows:
            print_json(orjson.dumps({"setting": setting, "value": value, "from": origin}, default=str).decode())
    else:
        print_result(_settings_table(rows))
    return ExitCode.SUCCESS


def _settings_table(rows: list[tuple[str, object, str]]) -> Table:
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for setting, value, origin in rows:
        table.add_row(setting, "-" if value is None else str(value), origin, style="dim" if origin == "default" else "")
    return table


def _mask(value: object) -> object:
    match value:
        case SecretStr():
            text = value.get_secret_value()
            return _mask_url(text) if "://" in text else MASK
        case dict():
            return {name: MASK if SECRET_NAME.search(name) else _mask(item) for name, item in value.items()}
        case str():
            return _mask_url(value)
        case _:
            return value


def _mask_url(text: str) -> str:
    without_password = PASSWORD_IN_URL.sub(lambda match: f"{match[1]}:{MASK}@", text)
    return SECRET_PARAMETER.sub(lambda match: f"{match[1]}={MASK}", without_password)
