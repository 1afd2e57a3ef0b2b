"""Procrastinate's own tables, in a PostgreSQL schema of their own.

They hold nothing but wake-ups: what is to be done stands in our tables. Procrastinate brings
the whole for an empty database, and steps from each version to the next; the table `applied`
remembers which of them this database has.
"""

from collections.abc import Iterator
from importlib import resources
from typing import Final

from sqlalchemy import Connection

SCHEMA: Final = "procrastinate"


def upgrade(connection: Connection) -> None:
    """Bring Procrastinate's tables to the installed version, in the caller's transaction."""
    cursor = connection.connection.cursor()  # several statements at once: only the driver does it
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    cursor.execute(f"SET LOCAL search_path TO {SCHEMA}")
    cursor.execute("CREATE TABLE IF NOT EXISTS applied (step text PRIMARY KEY)")
    cursor.execute("SELECT step FROM applied")
    applied = {step for (step,) in cursor.fetchall()}
    if not applied:
        cursor.execute((resources.files("procrastinate.sql") / "schema.sql").read_text("utf-8"))
    for step, statements in _steps():
        if step not in applied:
            if applied:
                cursor.execute(statements)
            cursor.execute("INSERT INTO applied VALUES (%s)", (step,))
    cursor.execute("SET LOCAL search_path TO DEFAULT")
    cursor.close()


def _steps() -> Iterator[tuple[str, str]]:
    """Give the steps in their order, which is that of their names."""
    folder = resources.files("procrastinate.sql") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".sql"):
            yield file.name, file.read_text("utf-8")
