"""`npsloop run`: the whole loop in one process: the jobs, the customers' pages, the webhooks."""

import logging
from typing import Annotated

import typer

from loop.cli.say import CONFIG_PATH, ConfigPath


def run(
    config: ConfigPath = CONFIG_PATH,
    *,
    upgrade: Annotated[
        bool | None,
        typer.Option(
            "--upgrade/--no-upgrade",
            help="Bring the database to this version first. SQLite: yes unless told otherwise.",
        ),
    ] = None,
) -> None:
    """Run the loop: jobs, pages and webhooks, until Ctrl-C."""
    from loop.cli.lock import alone  # noqa: PLC0415 - quick start-up
    from loop.cli.log import FULL, to_operator  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up
    from loop.cli.serve import serve  # noqa: PLC0415 - quick start-up
    from loop.engine.embedded import running  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as app, alone(app.store):
        if app.store.lite if upgrade is None else upgrade:
            app.store.upgrade()
        app.store.check()
        to_operator(logging.INFO, FULL)
        serve(app, running(app))
