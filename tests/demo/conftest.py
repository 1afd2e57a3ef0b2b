"""Demos that are over: each is played once, and looked at by many tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.sendgrid import Delivered
from loop.demo import files, plots, summary, worlds
from loop.demo.files import Files
from loop.demo.play import Play, Step
from loop.demo.plots import Plot
from loop.demo.worlds import World

SEED = 7


@dataclass
class Over:
    """A demo that is over, its servers still running."""

    world: World
    plot: Plot
    result: dict[str, Any]
    steps: list[Step]
    unusable: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> list[Delivered]:
        """All mails."""
        return self.world.mail.state.inbox

    def to(self, address: str) -> list[Delivered]:
        """Return the mails to an address."""
        return [mail for mail in self.inbox if mail.to.lower() == address]


@contextmanager
def played(plot: Plot, folder: Path, seed: int = SEED) -> Iterator[Over]:
    """Play a plot and leave everything standing."""
    setting = worlds.Setting(
        seed=seed, folder=folder, friendly=False, per_account_max=plot.per_account_max
    )
    with worlds.running_world(setting) as world:
        unusable = plot.enter(world)
        play = Play(world, plot.script)
        steps = list(play.run())
        found = summary.result(world, play.refused) | {"input": plot.script.counts()}
        yield Over(world, plot, found, steps, unusable)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Over]:
    """Play the demo that everybody sees."""
    with played(plots.invented(SEED), tmp_path_factory.mktemp("demo")) as over:
        yield over


CONTACTS = """\
Kunde;Vorname;Nachname;E-Mail;Firma
1;Ann;O'Neill;ann@acme.example;Acme
2;Ben;<script>alert(1)</script>;ben@acme.example;Acme
3;Cora;=1+1;;Harbour
4;Dan;"Two
Lines";dan@harbour.example;Harbour
5;Emma;;emma@harbour.example;Harbour
6;Finn;;finn@acme.example;Acme
"""
STRANGE = "\ufffd 😀 <script>alert(1)</script>\n=1+1 \x1b[31mred {{ 7 * 7 }}"
ANSWERS = [
    {"nps": 10, "why": "STOP"},
    {"nps": "0", "why": STRANGE},
    {"nps": "3.0", "why": None},
    {"nps": 11, "why": "eleven is a blank"},
    {"nps": None, "why": "I forgot the number"},
    {"nps": 9, "why": "9"},
    {"nps": "", "why": "stop"},
]


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Over]:
    """Play a demo with people and answers from files."""
    import json  # noqa: PLC0415 - here alone

    folder = tmp_path_factory.mktemp("real")
    (folder / "contacts.csv").write_text(CONTACTS, "utf-8")
    (folder / "answers.json").write_text(json.dumps(ANSWERS), "utf-8")
    mapped = {"score": "nps", "comment": "why", "account": "Firma"}
    given = Files(folder / "contacts.csv", folder / "answers.json", mapped)
    with played(files.plot(given, SEED), folder) as over:
        yield over


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Give a way to write a file."""

    def put(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put
