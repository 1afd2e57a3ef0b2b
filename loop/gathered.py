"""Puts small pages together: a commit costs as much for a hundred records as for a thousand."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from connectors.errors import ConnectorError
from connectors.ports import Page

RECORDS: Final = 1000


def gathered(pages: Iterable[Page[Any]], stopping: threading.Event) -> Iterator[Page[Any]]:
    """Give the records of the pages, a thousand or so at a time, the newest of each.

    A page that tells what is gone stays alone, since the order matters then. What came in is
    given before an outage is told, and at once when all is to end.
    """
    held: list[Page[Any]] = []
    try:
        for page in pages:
            if page.gone or page.merged:
                yield from _one(held)
                yield page
                held = []
                continue
            held.append(page)
            if stopping.is_set() or sum(len(each.records) for each in held) >= RECORDS:
                yield from _one(held)
                held = []
    except ConnectorError:
        yield from _one(held)
        raise
    yield from _one(held)


def _one(pages: Sequence[Page[Any]]) -> Sequence[Page[Any]]:
    if len(pages) < 2:  # noqa: PLR2004 - nothing to put together
        return pages
    records = {record.id: record for page in pages for record in page.records}
    marks = [page.watermark for page in pages if page.watermark is not None]
    return [Page(records=list(records.values()), watermark=marks[-1] if marks else None)]
