"""The arm under test: the complete service with every role, on SQLite, with the shipped tables and profiles."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

import uvloop

from southbound.service.load_rules import load_rules
from southbound.service.logs import configure_logs
from southbound.service.roles import default_roles
from southbound.service.serve import serve
from southbound.settings.settings import (
    HealthSettings,
    KafkaSettings,
    ListenerSettings,
    LogSettings,
    Settings,
    StoreSettings,
)
from tests.benchmarks.arms.config import GROUP, ArmConfig, read_arm_config


async def run(config: ArmConfig) -> bool:
    """Run the service until SIGTERM; return True if everything under way was finished."""
    settings = Settings(
        kafka=KafkaSettings(bootstrap=config.bootstrap, prefix=config.prefix, group=f"{config.prefix}{GROUP}"),
        store=StoreSettings(url=f"sqlite+aiosqlite:///{config.folder}/runs.db"),
        listener=ListenerSettings(port=0),
        health=HealthSettings(port=0),
        log=LogSettings(format="json"),
    )
    configure_logs(settings.log)
    rules = load_rules(settings.routing)
    profiles = (profile.model_copy(update={"base_url": config.system}) for profile in rules.profiles)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await serve(settings, default_roles(settings), stop=stop, rules=replace(rules, profiles=tuple(profiles)))


if __name__ == "__main__":
    sys.exit(0 if uvloop.run(run(read_arm_config())) else 1)
