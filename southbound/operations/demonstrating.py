"""Show the demo, or say in one sentence why it cannot be shown here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.inbound.listen_socket import CannotListenError
from southbound.broker.broker import BrokerUnavailableError
from southbound.cli.exit_codes import not_reachable, wrong
from southbound.demo.show import run_demo
from southbound.operations.topic_admin import TopicsError
from southbound.service.load_rules import OperatorMistakesError
from southbound.service.logs import configure_logs
from southbound.service.serve import NotConfiguredError, NotReachableError

if TYPE_CHECKING:
    from southbound.settings.settings import Settings


def demonstrate(settings: Settings) -> int:
    """Run the demo; give its exit code."""
    # The demo draws the screen itself; what the service logs would tear the picture.
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    try:
        return run_demo(settings)
    except (BrokerUnavailableError, NotReachableError, CannotListenError, TopicsError) as error:
        raise not_reachable(str(error)) from None
    except (NotConfiguredError, OperatorMistakesError) as error:
        raise wrong(str(error).splitlines()) from None
