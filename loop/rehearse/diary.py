"""A diary of the mails, kept by the database itself: every move, in the transaction that makes it.

Only so is it known which mails were ever *unknown*, whoever was killed meanwhile.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from loop.store import Store

TABLE: Final = (
    "CREATE TABLE diary (n {serial} PRIMARY KEY, mail TEXT NOT NULL, was TEXT NOT NULL, "
    "became TEXT NOT NULL)"
)
WRITE: Final = "INSERT INTO diary (mail, was, became) VALUES (NEW.key, OLD.state, NEW.state)"
WHEN: Final = "NEW.state <> OLD.state AND NEW.kind IN ('ask', 'word', 'invite')"
SQLITE: Final = (
    TABLE.format(serial="INTEGER"),
    f"CREATE TRIGGER diary_kept AFTER UPDATE OF state ON effect WHEN {WHEN} BEGIN {WRITE}; END",
)
KEEP: Final = f"""
CREATE FUNCTION diary_keep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {WRITE}; RETURN NULL; END $$
"""
KEPT: Final = f"""
CREATE TRIGGER diary_kept AFTER UPDATE OF state ON effect FOR EACH ROW WHEN ({WHEN})
EXECUTE FUNCTION diary_keep()
"""
POSTGRESQL: Final = (TABLE.format(serial="BIGSERIAL"), KEEP, KEPT)


class Entry(NamedTuple):
    """One move of one mail."""

    mail: str
    was: str
    became: str


def begin(store: Store) -> None:
    """Begin the diary."""
    with store.write() as session:
        for statement in SQLITE if store.lite else POSTGRESQL:
            session.connection().exec_driver_sql(statement)


def read(store: Store) -> Iterator[Entry]:
    """Give the entries, the first one first."""
    with store.read() as session:
        found = session.connection().exec_driver_sql(
            "SELECT mail, was, became FROM diary ORDER BY n"
        )
        for row in found:
            yield Entry(*row)
