"""Two versions work side by side while one takes the place of the other."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import inspect

from loop import store as stores
from loop.models import Compatible
from loop.store import Outdated, Store

NEXT = '''\
"""The step after the last one."""

revision = "9999"
down_revision = {last!r}
branch_labels = None
depends_on = None
works_for = {works_for!r}


def upgrade() -> None:
    """Take the step."""
'''


def step(monkeypatch: pytest.MonkeyPatch, folder: Path, store: Store, *works_for: str) -> None:
    """Let the next version, with one step more, upgrade the database."""
    shutil.copytree(stores.MIGRATIONS, folder / "migrations")
    last = store.revision()
    step = NEXT.format(last=last, works_for=works_for)
    (folder / "migrations/versions/9999_next.py").write_text(step)
    with monkeypatch.context() as newer:
        newer.setattr(stores, "MIGRATIONS", folder / "migrations")
        store.upgrade()
        store.check()


def test_this_version_works_on_beside_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(monkeypatch, tmp_path, store, str(store.revision()))

    store.check()

    assert store.revision() == "9999"


def test_this_version_stops_where_the_next_does_not_say_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(monkeypatch, tmp_path, store)

    with pytest.raises(Outdated, match="a newer one made it"):
        store.check()


def test_only_the_last_step_says_who_works_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as session:
        session.add(Compatible(revision=str(store.revision())))

    step(monkeypatch, tmp_path, store, "9998")

    with pytest.raises(Outdated):
        store.check()


def test_procrastinate_keeps_to_a_schema_of_its_own(store: Store) -> None:
    ours = inspect(store.engine).get_table_names()

    assert "effect" in ours
    assert [name for name in ours if name.startswith("procrastinate")] == []
