"""The log on stderr: no control characters, no tokens, no visitor's address."""

import logging
import re
from typing import Final

from loop.cli import say

CHATTY: Final = ("alembic", "apscheduler", "procrastinate", "urllib3")
REPETITIVE: Final = ("psycopg.pool",)
"""They warn at each try, many times a second."""
BRIEF: Final = "%(message)s"
FULL: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_VISIT: Final = ("client", "method", "path", "version", "status")
"""What uvicorn logs of a visit, in its order."""
_TOKEN: Final = re.compile(r"^(/[a-z]/)[^/?]+")


class _ToOperator(logging.Handler):
    """Says each line as commands say things: nothing in it can steer the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say the line."""
        say.tell(self.format(record))


def to_operator(level: int = logging.WARNING, form: str = BRIEF) -> None:
    """Let the log go to stderr, in the place of whatever was there for it."""
    handler = _ToOperator()
    handler.setFormatter(logging.Formatter(form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in REPETITIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    visits = logging.getLogger("uvicorn.access")
    if _without_tokens not in visits.filters:
        visits.addFilter(_without_tokens)


def _without_tokens(record: logging.LogRecord) -> bool:
    """Take the visitor's address, the link's token and the query out of a line on a visit."""
    if isinstance(record.args, tuple) and len(record.args) == len(_VISIT):
        visit = dict(zip(_VISIT, record.args, strict=True))
        path = str(visit["path"]).partition("?")[0]
        record.args = tuple((visit | {"client": "-", "path": _TOKEN.sub(r"\1*", path)}).values())
    return True
