"""The commands `southbound topics plan` and `southbound topics apply`."""

from typing import Annotated

import typer

from southbound.cli.options import EXIT_CODES, ConfigOption, read_settings

topics = typer.Typer(help="Compare the topics with those that Southbound needs, and create them.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(topics, name="topics")


@topics.command(epilog=EXIT_CODES)
def plan(config: ConfigOption = None) -> int:
    """Show which topics exist and which are missing; change nothing.

    One dispatch topic is needed per spoke profile. Differences in partitions or cleanup are reported but not changed.

    **Example**

    - `southbound topics plan`
    """
    settings = read_settings(config)
    from southbound.operations.topics import plan_topics

    return plan_topics(settings)


@topics.command(epilog=EXIT_CODES)
def apply(
    replication: Annotated[
        int, typer.Option(min=-1, max=32_767, help="Replicas of each partition; -1 uses the default of the cluster.")
    ] = -1,
    config: ConfigOption = None,
) -> int:
    """Create the topics that are missing; existing topics are not changed.

    **Examples**

    - `southbound topics apply`
    - `southbound topics apply --replication 3`
    """
    settings = read_settings(config)
    from southbound.operations.topics import apply_topics

    return apply_topics(settings, replication)
