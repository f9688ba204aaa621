"""A process that names no role has those for which its settings have something to do."""

from __future__ import annotations

from pathlib import Path

from southbound.service.roles import Role, default_roles
from southbound.settings.hub import HubSettings
from southbound.settings.settings import ApiSettings, Settings, StreamSettings, WritebackSettings


def test_the_role_writeback_is_named_only_if_there_are_targets() -> None:
    assert Role.WRITEBACK not in default_roles(Settings())
    assert Role.WRITEBACK in default_roles(Settings(writeback=WritebackSettings(targets=Path("targets"))))


def test_the_role_api_is_named_only_if_it_is_enabled() -> None:
    assert Role.API not in default_roles(Settings())
    assert Role.API in default_roles(Settings(api=ApiSettings(enabled=True)))


def test_the_roles_hub_ingress_and_egress_are_named_only_if_their_settings_are() -> None:
    roles = {Role.HUB, Role.INGRESS, Role.EGRESS}
    assert roles.isdisjoint(default_roles(Settings()))
    streams = StreamSettings(sources=Path("sources"), destinations=Path("destinations"))
    assert roles <= set(default_roles(Settings(hub=HubSettings(enabled=True), streams=streams)))
