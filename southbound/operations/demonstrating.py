"""Show the demo, or say in one sentence why it cannot be shown here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.serving import CannotListenError
from southbound.broker.broker import BrokerUnavailableError
from southbound.demo.show import run_demo
from southbound.failures import not_reachable, wrong
from southbound.loading import OperatorMistakesError
from southbound.logs import configure_logs
from southbound.service import NotConfiguredError, NotReachableError
from southbound.topics import TopicsError

if TYPE_CHECKING:
    from southbound.settings import Settings


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
