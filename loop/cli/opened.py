"""Opens the app for a command: configuration, secret and database, closed again at the end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from connectors.budget import InMemory, Keeper
from loop.app import App, build
from loop.cli.log import to_operator
from loop.config import Config, Mendable, load, secret
from loop.states import OutOfTurn
from loop.store import Outdated, Store

EXTRA: Final = frozenset({"procrastinate", "psycopg"})


class Unreachable(Mendable):
    """The database cannot be used."""


class Refusal(Mendable):
    """The loop does not go that way."""


@contextmanager
def opened(config_path: Path, *, check: bool = True) -> Iterator[App]:
    """Open the app that a configuration describes.

    With `check`, raise `Outdated` where the database is of another version; a SQLite database
    with nothing in it yet is made. Without, it may have no table of ours at all. What an
    operator can mend about the database is raised as `Mendable`, whatever the block was doing.
    """
    if not logging.getLogger().handlers:
        to_operator()
    app = _built(load(config_path), config_path, None if check else InMemory())
    try:
        with mended(app.store):
            if check:
                _check(app.store)
            yield app
    finally:
        app.store.close()


def _built(config: Config, config_path: Path, keeper: Keeper | None) -> App:
    known = secret(config, config_path.absolute().parent).get_secret_value()
    try:
        return build(config, known, keeper=keeper)
    except ModuleNotFoundError as error:
        raise _missing(error) from error


def _check(store: Store) -> None:
    try:
        store.check()
    except Outdated:
        if not (store.lite and store.empty()):
            raise
        store.upgrade()


@contextmanager
def mended(store: Store) -> Iterator[None]:
    """Turn what an operator can mend about the database into `Mendable`."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Unreachable(_words(store, error)) from error
    except DatabaseError as error:
        if "not a database" not in str(error.orig):
            raise
        raise Unreachable(_words(store, error)) from error
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    except OutOfTurn as error:
        raise Refusal(str(error)) from error


def _missing(error: ModuleNotFoundError) -> Exception:
    """Return what to raise where a package is not there: one of the extra, or a bug of ours."""
    if error.name not in EXTRA:
        return error
    remedy = "install npsloop with its extra: npsloop[postgres]"
    return Unreachable(f"PostgreSQL needs the package {error.name}: {remedy}")


def _words(store: Store, error: DatabaseError | InterfaceError) -> str:
    problem = (str(error.orig).strip().splitlines() or ["it does not answer"])[0]
    remedy = "look at database.url in the configuration"
    if "locked" in problem:
        remedy = "another program is at work on it; try again"
    elif "full" in problem:
        remedy = "make room on the disk"
    elif "readonly" in problem:
        remedy = "let this user write the file and its folder"
    return f"database {store.url.render_as_string(hide_password=True)}: {problem}: {remedy}"
