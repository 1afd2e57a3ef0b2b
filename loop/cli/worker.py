"""`npsloop worker`: delivers effects, in as many processes as are wanted."""

import logging
from typing import Annotated

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, ConfigPath


def worker(
    config: ConfigPath = CONFIG_PATH,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A lane that it is for; several times, or all."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=12, help="How many batches are at work at once.")
    ] = 4,
) -> None:
    """Deliver effects, beside other workers. Needs PostgreSQL."""
    from loop import schedule  # noqa: PLC0415 - quick start-up
    from loop.cli.ending import conclude, ended_by_signal  # noqa: PLC0415 - quick start-up
    from loop.cli.lock import several  # noqa: PLC0415 - quick start-up
    from loop.cli.log import FULL, to_operator  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as app:
        several(app)
        app.store.check()
        for name in only or ():
            say.among(name, schedule.lanes(app), "lane")
        to_operator(logging.INFO, FULL)
        from loop.engine.shared import Worker  # noqa: PLC0415 - only with PostgreSQL's extra

        one = Worker(app, only or (), concurrency)
        with ended_by_signal(one.stop) as came:
            one.run()
        conclude(came)
