"""The commands `southbound subscriptions list`, `show`, `resume` and `delete`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, JsonOption, read_settings

SubscriptionIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.")]

subscriptions = typer.Typer(help="Show and manage who is notified of runs.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(subscriptions, name="subscriptions")


@subscriptions.command("list", epilog=EXIT_CODES)
def list_(json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the subscriptions, with the events that wait for each and how its last delivery went.

    **Examples**

    - `southbound subscriptions list`
    - `southbound subscriptions list --json | jq 'select(.state == "parked")'`
    """
    settings = read_settings(config)
    from southbound.operations.subscriptions import list_subscriptions

    return list_subscriptions(settings, as_json=json)


@subscriptions.command(epilog=EXIT_CODES)
def show(subscription_id: SubscriptionIdArgument, json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show one subscription and the first events that wait for it. The secret is not shown.

    **Examples**

    - `southbound subscriptions show 7d1f6a52-0c3e-4b7a-9f10-0d2a4c6e8f01`
    """
    settings = read_settings(config)
    from southbound.operations.subscriptions import show_subscription

    return show_subscription(settings, subscription_id, as_json=json)


@subscriptions.command(epilog=EXIT_CODES)
def resume(subscription_id: SubscriptionIdArgument, config: ConfigOption = None) -> int:
    """Deliver again to a subscriber that is parked, or that fails, without waiting for the next attempt.

    **Examples**

    - `southbound subscriptions resume 7d1f6a52-0c3e-4b7a-9f10-0d2a4c6e8f01`
    """
    settings = read_settings(config)
    from southbound.operations.subscriptions import resume_subscription

    return resume_subscription(settings, subscription_id)


@subscriptions.command(epilog=EXIT_CODES)
def delete(subscription_id: SubscriptionIdArgument, config: ConfigOption = None) -> int:
    """Delete a subscription, and the events that wait for it.

    **Examples**

    - `southbound subscriptions delete 7d1f6a52-0c3e-4b7a-9f10-0d2a4c6e8f01`
    """
    settings = read_settings(config)
    from southbound.operations.subscriptions import delete_subscription

    return delete_subscription(settings, subscription_id)
