"""Walks through records of one type: all of them, or those changed since a time.

All: the list, a hundred a page, without a cap. Changed: search, which ends at 10,000 results
and shifts its pages while records change, so we never turn its pages: each request begins at
the last stamp we saw. The watermark is HubSpot's own time when a walk began, and search lags
behind, so a walk looks back a minute. https://developers.hubspot.com/docs/api-reference/search/guide
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from connectors.errors import Unavailable
from connectors.hubspot.api import OBJECTS, Answer, Api, turn
from connectors.hubspot.rows import Kind, Row
from connectors.hubspot.shapes import Archived, Listed
from connectors.hubspot.told import SERVICE

LIST_PAGE: Final = "100"
SEARCH_PAGE: Final = 200
LOOK_BACK: Final = timedelta(seconds=60)

Rows = Sequence[Row[Any]]


class Walk:
    """One walk through the records of a type. Use it once."""

    def __init__(self, api: Api, kind: Kind) -> None:
        self.api = api
        self.kind = kind
        self.path = f"{OBJECTS}/{kind.type}"
        self.began: datetime | None = None
        """HubSpot's time of the first answer."""

    def all(self, associations: str = "") -> Iterator[Rows]:
        """Give all records, page by page, with those of another type that belong to them."""
        asked = {"limit": LIST_PAGE, "properties": ",".join(self.kind.properties)}
        if associations:
            asked["associations"] = associations
        while True:
            page = self._read(self.api.get(self.path, **asked))
            yield page.results
            if not page.after:
                return
            turn(asked, page.after)

    def changed(self, since: datetime) -> Iterator[Rows]:
        """Give the records whose stamp is later than a minute before `since`, oldest first."""
        at = _milliseconds(since - LOOK_BACK)
        seen: set[str] = set()
        while True:
            page = self._search([self._filter("GTE", at)], self.kind.stamp)
            yield [row for row in page.results if row.id not in seen]
            if not page.after:
                return
            newest = self._newest(page.results)
            if newest < at:
                raise Unavailable(SERVICE, "a search result is older than was asked for")
            if newest == at:
                yield from self._of_one_instant(at)
                at, seen = at + 1, set()
            else:
                seen = {row.id for row in page.results if self._newest([row]) == newest}
                at = newest

    def gone(self, since: datetime) -> Iterator[str]:
        """Give the ids of the records that were archived since."""
        asked = {"limit": LIST_PAGE, "archived": "true"}
        while True:
            page = self.api.get(self.path, **asked).read(ARCHIVED)
            for row in page.results:
                if row.archived_at is None or row.archived_at >= since - LOOK_BACK:
                    yield row.id
            if not page.after:
                return
            turn(asked, page.after)

    def watermark(self) -> str | None:
        """Return where the next walk begins; None where HubSpot did not tell the time."""
        return self.began.isoformat() if self.began else None

    def _of_one_instant(self, at: int) -> Iterator[Rows]:
        """Give all records of one stamp: an import changes thousands at once."""
        asked = {"after": "0"}
        while True:
            beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": asked["after"]}
            page = self._search([self._filter("EQ", at), beyond], "hs_object_id")
            yield page.results
            if not page.after:
                return
            turn(asked, page.results[-1].id if page.results else asked["after"])

    def _search(self, filters: Sequence[dict[str, str]], sort: str) -> Listed[Row[Any]]:
        asked = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": self.kind.properties,
            "limit": SEARCH_PAGE,
            "after": "0",
        }
        return self._read(self.api.post(f"{self.path}/search", asked))

    def _read(self, answer: Answer) -> Listed[Row[Any]]:
        if self.began is None:
            self.began = answer.date
        return answer.read(self.kind.decoder)

    def _filter(self, operator: str, at: int) -> dict[str, str]:
        return {"propertyName": self.kind.stamp, "operator": operator, "value": str(at)}

    def _newest(self, rows: Rows) -> int:
        try:
            return _milliseconds(datetime.fromisoformat(rows[-1].stamp or ""))
        except (ValueError, IndexError):
            raise Unavailable(SERVICE, "a search result does not say when it changed") from None


ARCHIVED: Final = msgspec.json.Decoder(Listed[Archived])


def since_when(watermark: str | None) -> datetime | None:
    """Return the time that a watermark stands for; None for one that we did not make."""
    try:
        at = datetime.fromisoformat(watermark or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
