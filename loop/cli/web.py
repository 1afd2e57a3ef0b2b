"""`npsloop web`: the customers' pages and the webhooks, in as many processes as are wanted."""

import logging
from contextlib import nullcontext

from loop.cli.say import CONFIG_PATH, ConfigPath


def web(config: ConfigPath = CONFIG_PATH) -> None:
    """Serve pages and webhooks only, beside workers. Needs PostgreSQL."""
    from loop.cli.lock import several  # noqa: PLC0415 - quick start-up
    from loop.cli.log import FULL, to_operator  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up
    from loop.cli.serve import serve  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as app:
        several(app)
        app.store.check()
        to_operator(logging.INFO, FULL)
        serve(app, nullcontext())
