"""What `npsloop db` promises."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

from loop.store import Store
from tests.cli.conftest import CONFIG, Desk

ROOT = Path(__file__).resolve().parents[2]


def test_a_database_is_made(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.yaml"
    path.parent.mkdir()
    path.write_text(desk.path.read_text())

    done = desk.run("db", "upgrade", config=path)

    assert done.exit_code == 0
    assert "database: from nothing to " in done.stdout


def test_upgrading_twice_is_the_same_as_once(desk: Desk) -> None:
    before = desk.dump()

    told = desk.told("db", "upgrade")

    assert told["before"] == told["after"]
    assert desk.dump() == before


def test_a_copy_holds_everything_and_is_for_nobody_else(ann: Desk, tmp_path: Path) -> None:
    ann.world.ask()
    copy = tmp_path / "copy.db"

    told = ann.told("db", "backup", str(copy))

    with sqlite3.connect(copy) as database:
        copied = list(database.iterdump())
    database.close()
    assert copied == ann.dump()
    assert told["bytes"] == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_copy_never_takes_the_place_of_a_file(desk: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")

    done = desk.run("db", "backup", str(copy))

    assert done.exit_code == 1
    assert "name another file" in done.stderr
    assert copy.read_text() == "mine"


def test_a_copy_needs_its_folder(desk: Desk, tmp_path: Path) -> None:
    done = desk.run("db", "backup", str(tmp_path / "no" / "copy.db"))

    assert done.exit_code == 1
    assert "No such file or directory" in done.stderr


def test_postgresql_is_copied_by_its_own_tool(desk: Desk) -> None:
    url = "postgresql://ann@127.0.0.1:1/loop"
    desk.path.write_text(f"{desk.path.read_text()}database: {{url: '{url}'}}\n")

    done = desk.run("db", "backup", "copy.dump")

    assert done.exit_code == 2
    assert "pg_dump --file copy.dump loop" in done.stderr


def test_a_server_that_does_not_answer_is_told_in_words(desk: Desk) -> None:
    url = "postgresql://ann@127.0.0.1:1/loop"
    desk.path.write_text(f"{desk.path.read_text()}database: {{url: '{url}', password: s3cret}}\n")

    done = desk.run("status")

    assert done.exit_code == 1
    assert "look at database.url" in done.stderr
    assert "s3cret" not in done.output


def test_two_upgrades_at_once_are_the_same_as_one(bare_url: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG + f"database: {{url: '{bare_url}'}}\n")
    command = [sys.executable, "-m", "loop.cli", "db", "upgrade", "-c", str(path)]

    started = [subprocess.Popen(command, cwd=ROOT, stdout=-1, stderr=-1) for _ in range(2)]
    told = [one.communicate(timeout=100) for one in started]

    assert [one.returncode for one in started] == [0, 0], told
    store = Store(bare_url)
    store.check()
    store.close()
