"""Run `southbound run`: start the service and stop it at a signal."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop

from consumers.runtime.worker import WorkerFailedError
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.logs import configure_logs
from southbound.service.roles import Role, default_roles
from southbound.service.serve import NotConfiguredError, NotReachableError, RunningService, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import Settings

log = structlog.get_logger()


def run_service(
    settings: Settings, roles: Sequence[Role], spoke: str | None, *, accept_empty_store: bool = False
) -> int:
    """Run `southbound run` for these roles, or for those that run by default if there are none; return its exit code.

    Raises:
        CommandFailedError: files are wrong, something is unreachable, the spoke is unknown, or a worker failed.
    """
    rules = _load_rules(settings)
    known = sorted(profile.name for profile in rules.profiles)
    if spoke is not None and spoke not in known:
        raise invalid_input(
            [f"--spoke {spoke}: {settings.routing.spokes} has no profile of this name, only {', '.join(known)}"]
        )
    if spoke is not None and roles and Role.DISPATCH not in roles:
        raise invalid_input([f"--spoke {spoke} applies to the role dispatch: add that role, or omit --spoke"])
    if accept_empty_store and roles and Role.ROUTING not in roles:
        raise invalid_input(["--accept-empty-store applies to the role routing: add that role, or omit the option"])
    if Role.WRITEBACK in roles and not rules.targets:
        raise invalid_input(["the role writeback has no target: set writeback.targets to the folder of their profiles"])
    if Role.INGRESS in roles and not rules.sources:
        raise invalid_input(["the role ingress has no source: set streams.sources to the folder of their profiles"])
    if Role.EGRESS in roles and not rules.destinations:
        raise invalid_input(
            ["the role egress has no destination: set streams.destinations to the folder of their profiles"]
        )
    configure_logs(settings.log)
    service = _SignalledService(
        settings, rules, tuple(roles) or default_roles(settings), spoke, accept=accept_empty_store
    )
    return uvloop.run(service.run())


def _load_rules(settings: Settings) -> RoutingRules:
    try:
        return load_rules(settings.routing, settings.writeback.targets, settings.streams)
    except InvalidConfigurationError as error:
        raise invalid_input(error.mistakes) from None


class _SignalledService:
    """The service, which the first signal stops in order and the second one at once."""

    def __init__(
        self, settings: Settings, rules: RoutingRules, roles: Sequence[Role], spoke: str | None, *, accept: bool
    ) -> None:
        self._accept_empty_store = accept
        self._settings = settings
        self._rules = rules
        self._roles = roles
        self._spoke = spoke
        self._up = False
        self._ended_by: signal.Signals | None = None

    async def run(self) -> int:
        """Run the service until a signal; return the exit code."""
        self._stop = asyncio.Event()
        serving = asyncio.create_task(self._serve())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number, serving)
        try:
            return ExitCode.SUCCESS if await serving else ExitCode.UNCLEAN_SHUTDOWN
        except asyncio.CancelledError:
            return self._interrupted_exit_code()

    def _on_signal(self, number: signal.Signals, serving: asyncio.Task[bool]) -> None:
        repeated = self._ended_by is not None
        self._ended_by = number
        log.info("stopping", signal=number.name, at_once=repeated)
        if repeated or not self._up:  # no work is under way yet, or the operator does not wait for it
            serving.cancel()
        else:
            self._stop.set()

    def _interrupted_exit_code(self) -> int:
        if self._up:
            return ExitCode.UNCLEAN_SHUTDOWN
        return ExitCode.INTERRUPTED if self._ended_by is signal.SIGINT else ExitCode.SUCCESS

    def _on_ready(self, _: RunningService) -> None:
        self._up = True

    async def _serve(self) -> bool:
        try:
            return await serve(
                self._settings,
                self._roles,
                stop=self._stop,
                only_spoke=self._spoke,
                rules=self._rules,
                accept_empty_store=self._accept_empty_store,
                on_ready=self._on_ready,
            )
        except NotConfiguredError as error:
            raise invalid_input(str(error).splitlines()) from None
        except NotReachableError as error:
            raise unreachable(str(error)) from None
        except WorkerFailedError as error:
            raise CommandFailedError(ExitCode.UNEXPECTED, str(error)) from None
