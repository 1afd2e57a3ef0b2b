"""`npsloop worker`: delivers effects and runs jobs, in as many processes as are wanted."""

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
        typer.Option(metavar="NAME", help="A lane or a job that it is for; several times, or all."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=12, help="How many lanes and jobs are at work at once.")
    ] = 4,
) -> None:
    """Deliver effects and run jobs, beside other workers. Needs PostgreSQL."""
    from loop.cli.ending import conclude, ended_by_signal  # noqa: PLC0415 - quick start-up
    from loop.cli.lock import several  # noqa: PLC0415 - quick start-up
    from loop.cli.log import FULL, to_operator  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as app:
        several(app)
        app.store.check()
        from loop.engine.shared import Worker, names  # noqa: PLC0415 - only with the extra

        for name in only or ():
            say.among(name, names(app), "lane or job")
        to_operator(logging.INFO, FULL)
        one = Worker(app, only or (), concurrency)
        with ended_by_signal(one.stop) as came:
            one.run()
        conclude(came)
