"""A desk: a configuration, its SQLite database with people in it, and the command line."""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from loop.app import Keys
from loop.cli import app, say
from loop.store import Store
from tests.loop.conftest import World, make_world

SECRET = "a-secret-of-at-least-thirty-two-characters"
CONFIG = f"""\
version: 1
public_url: http://127.0.0.1:9
secret: {SECRET}
company: {{name: Example Ltd, product: the Example}}
sender: {{email: feedback@us.example}}
crms: [{{type: memory_crm}}]
mailer: {{type: memory_mailer}}
programs: {{relationship: {{kind: relationship}}}}
follow_up: {{wait_minutes: 0}}
refer: {{wait_minutes: 0}}
"""


@dataclass
class Desk:
    """What an operator sits at, and the world behind it."""

    path: Path
    world: World

    def run(self, *words: str, config: Path | None = None) -> Result:
        """Run a command on the configuration."""
        command = [*words, "--config", str(config or self.path)]
        return CliRunner().invoke(app, command, prog_name="npsloop")

    def told(self, *words: str) -> dict[str, Any]:
        """Run a command that is to go well, and read its JSON."""
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["version"] == 1
        return told

    def dump(self) -> list[str]:
        """Return everything that the database holds."""
        with sqlite3.connect(self.path.parent / "npsloop.db") as database:
            lines = list(database.iterdump())
        database.close()
        return lines


@pytest.fixture(autouse=True)
def _nothing_set_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NPSLOOP_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _fresh_consoles() -> Iterator[None]:
    yield
    say.stdout.cache_clear()
    say.stderr.cache_clear()


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> Iterator[Desk]:
    """Give a desk with nobody to ask."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    file = tmp_path / "npsloop.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store(f"sqlite:///{file}")
    world = make_world(store, refer={"wait_minutes": 0})
    world.clock.at = datetime.now(UTC)
    world.app = replace(world.app, keys=Keys(SECRET))
    yield Desk(path=path, world=world)
    store.close()


@pytest.fixture
def ann(desk: Desk) -> Desk:
    """Give a desk with Ann, of Acme, whom nobody has asked yet."""
    desk.world.add_owner()
    desk.world.add_account(owner_id="o1")
    desk.world.add(account_id="a1", owner_id="o1")
    desk.world.pull()
    return desk
