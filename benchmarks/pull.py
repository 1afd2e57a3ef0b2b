"""Contacts a second: `loop.pull` through the real connectors, beside the bare minimum.

The bound reads the same pages over a bare HTTP connection, parses them with orjson, and upserts
them into one table of SQLite, a page a transaction, as durably as we do.
"""

import http.client
import sqlite3
import tempfile
from collections.abc import Iterator
from math import ceil
from multiprocessing.connection import Connection
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import measure
import orjson
import pages
from sqlalchemy import func, select

from connectors.hubspot import HubSpot
from connectors.memory import MemoryMailer
from connectors.ports import Crm
from connectors.salesforce import Salesforce
from loop import pull
from loop.app import App, Keys
from loop.config import Config
from loop.letters import Letters
from loop.models import Contact
from loop.resources import templates
from loop.store import Store

N: Final = 20_000
TURN: Final = 2_000
"""How many contacts come in before the other side has its turn."""
CRMS: Final = ("hubspot", "salesforce")
COLUMNS: Final = (
    "id, email, first_name, last_name, title, account_id, owner_id, locale, opted_out, bounced"
)
TABLE: Final = f"CREATE TABLE contact ({COLUMNS.replace('id,', 'id TEXT PRIMARY KEY,', 1)})"
UPSERT: Final = (
    f"INSERT INTO contact ({COLUMNS}) VALUES ({', '.join('?' * 10)})"
    " ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
)
HUBSPOT: Final = itemgetter(
    "email",
    "firstname",
    "lastname",
    "jobtitle",
    "company",
    "hubspot_owner_id",
    "hs_language",
    "hs_email_optout",
    "hs_email_hard_bounce_reason_enum",
)
SALESFORCE: Final = itemgetter(
    "Id",
    "Email",
    "FirstName",
    "LastName",
    "Title",
    "AccountId",
    "OwnerId",
    "Name",
    "HasOptedOutOfEmail",
    "EmailBouncedReason",
)
Rows = list[tuple[Any, ...]]


def ours(connection: Connection, crm: str, port: int, n: int) -> None:
    """Pull all contacts into a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/npsloop.db")
        store.upgrade()
        app = App(
            config=Config(),
            store=store,
            crms={crm: _connector(crm, f"http://127.0.0.1:{port}")},
            mailer=MemoryMailer(),
            letters=Letters(builtin=templates()),
            keys=Keys("a secret that only this benchmark knows"),
        )
        told = (page.count for page in pull.customers(app) if page.records == "contacts")
        grown = measure.work(connection, told, TURN)
        with store.read() as session:
            _expect(n, session.scalar(select(func.count()).select_from(Contact)))
        store.close()
        connection.send(grown)


def bound(connection: Connection, crm: str, port: int, n: int) -> None:
    """Do the least that can be done with the same pages."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "bound.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(TABLE)
        read = {"hubspot": _hubspot, "salesforce": _salesforce}[crm]
        pages_ = read(http.client.HTTPConnection("127.0.0.1", port))
        grown = measure.work(connection, (_kept(database, rows) for rows in pages_), TURN)
        _expect(n, database.execute("SELECT count(*) FROM contact").fetchone()[0])
        database.close()
        connection.send(grown)


def run(crm: str, n: int, rounds: int) -> dict[str, Any]:
    """Return how the two compare for one CRM; they take turns until both have all contacts."""
    took, peaks = [0.0, 0.0], []
    with measure.beside(pages.serve, crm, n) as port:
        for _ in range(rounds):
            sides = [measure.Turns(side, crm, port, n) for side in (ours, bound)]
            for _ in range(ceil(n / TURN)):
                for at, side in enumerate(sides):
                    took[at] += side.turn()
            peaks += [side.end() for side in sides][:1]
    rates = [[n * rounds / seconds] for seconds in took]
    return measure.compared(n, *rates) | {"peak_mb": round(max(peaks), 1)}


def _kept(database: sqlite3.Connection, rows: Rows) -> int:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(UPSERT, rows)
    database.execute("COMMIT")
    return len(rows)


def main() -> None:
    """Measure; of several CRMs the one that is further from its bound counts."""
    options = measure.options(__doc__ or "", N)
    options.add_argument("--crm", choices=CRMS, help="only this CRM")
    given = options.parse_args()
    crms = {crm: run(crm, given.n, given.rounds) for crm in CRMS if given.crm in {None, crm}}
    worst = min(crms.values(), key=itemgetter("ratio_to_bound"))
    measure.tell("pull", {**worst, "crms": crms}, as_json=given.json)


def _connector(crm: str, origin: str) -> Crm:
    if crm == "hubspot":
        given = {"type": "hubspot", "access_token": "a-token", "origin": origin}
        return HubSpot(HubSpot.Config.model_validate({**given, "calls_per_10_s": 10**9}))
    given = {"access_token": "a-token", "instance_url": "https://acme.my.salesforce.com"}
    return Salesforce(Salesforce.Config.model_validate({**given, "origin": origin}))


def _hubspot(connection: http.client.HTTPConnection) -> Iterator[Rows]:
    after = "0"
    while after:
        connection.request("GET", f"/crm/objects/2026-09/contacts?limit=100&after={after}")
        page = orjson.loads(connection.getresponse().read())
        yield [(row["id"], *HUBSPOT(row["properties"])) for row in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")


def _salesforce(connection: http.client.HTTPConnection) -> Iterator[Rows]:
    path = f"{pages.VERSION}/query/?q=SELECT+Id+FROM+Contact+"
    while path:
        connection.request("GET", path)
        page = orjson.loads(connection.getresponse().read())
        yield [SALESFORCE(row) for row in page["records"]]
        path = page.get("nextRecordsUrl", "")


def _expect(wanted: int, found: int | None) -> None:
    if wanted != found:
        message = f"{found} contacts came in, not {wanted}"
        raise RuntimeError(message)


if __name__ == "__main__":
    main()
