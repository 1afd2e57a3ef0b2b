"""A wire to PostgreSQL on which LISTEN goes wrong, as it does with some poolers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from tests.cutting import Wire, carried

REFUSED = b"XISTEN"
"""No command of PostgreSQL's: it answers with an error."""
SWALLOWED = b"--STEN"
"""The beginning of a comment: it answers that all is well, and does nothing."""


@dataclass(kw_only=True)
class Deaf(Wire):
    """Passes all bytes on, but for the word LISTEN."""

    listen: bytes

    def heard(self, data: bytes) -> bytes:
        """Return what the server hears instead."""
        return data.replace(b"LISTEN", self.listen)


@contextmanager
def wire(url: str, listen: bytes) -> Iterator[str]:
    """Give the address of such a wire to a database."""
    parts = urlsplit(url)
    server = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
    with carried(Deaf(server, listen=listen)) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
