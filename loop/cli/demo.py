"""`npsloop demo`: the whole loop on this machine, with invented customers who really answer."""

import secrets
import signal
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from loop.cli import say
from loop.cli.say import AsJson

if TYPE_CHECKING:
    from loop.demo.plots import Plot
    from loop.demo.worlds import World

SEED_BITS: Final = 31
AT_HOME: Final = "Everybody here is invented, and nothing leaves this machine. Look on meanwhile:"
PAUSE_S: Final = 0.5
INTERRUPTED: Final = 130


def demo(  # noqa: PLR0913 - each is a flag
    *,
    once: Annotated[bool, typer.Option("--once", help="End when the loop is closed.")] = False,
    as_json: AsJson = False,
    seed: Annotated[
        int | None, typer.Option(help="The same number plays the same demo again.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep configuration and database in this folder.")
    ] = None,
    contacts: Annotated[
        Path | None, typer.Option(help="Fill the CRMs with the people of a CSV or JSON file.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Let customers say what a CSV or JSON file holds, in order.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="WHAT=COLUMN,...",
            help="Which column is what: score=NPS,comment=Why,email=Mail, and so on.",
        ),
    ] = None,
    encoding: Annotated[str, typer.Option(help="How the files are encoded.")] = "utf-8",
) -> None:
    """Play the whole loop here: two CRMs, a mail provider, pages, and customers who answer.

    Needs no account and no key, and reaches nobody: everything stays on 127.0.0.1.
    """
    from loop.demo import columns, files, plots  # noqa: PLC0415 - quick start-up

    for number in (signal.SIGINT, signal.SIGTERM):  # also where the shell has us ignore them
        signal.signal(number, _interrupt)
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    given = files.Files(contacts, answers, columns.pairs(map_ or ()), encoding)
    try:
        plot = files.plot(given, seed) if contacts or answers else plots.invented(seed)
        _run(plot, seed, keep=keep, once=once, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _run(plot: "Plot", seed: int, *, keep: Path | None, once: bool, as_json: bool) -> None:
    from loop.demo import tour, view, worlds  # noqa: PLC0415 - quick start-up
    from loop.demo.play import Play  # noqa: PLC0415 - quick start-up
    from loop.demo.summary import result  # noqa: PLC0415 - quick start-up

    with worlds.folder(keep) as folder:
        setting = worlds.Setting(
            seed=seed, folder=folder, friendly=not once, per_account_max=plot.per_account_max
        )
        with worlds.running_world(setting) as world:
            unusable = plot.enter(world)
            for line in (*plot.notes, *unusable):
                say.tell(line, "yellow")
            if not once:
                say.tell(AT_HOME)
                view.addresses(say.stderr(), tour.sites(world))
            play = Play(world, plot.script)
            with view.watching(world, say.stderr()) as shown:
                for step in play.run():
                    shown.show(step)
            found = result(world, play.refused)
            if counts := plot.script.counts():
                found["input"] = counts | {"contacts_unusable": len(unusable)}
            say.out(found, as_json=as_json, view=lambda to: view.summary(to, found))
            say.tell(f"seed {seed}: --seed {seed} plays the same again", "dim")
            if not once:
                view.addresses(say.stderr(), tour.pages(world))
                _serve(world)
                say.tell(f"The demo is over; {f'{keep} is kept' if keep else 'nothing is left'}.")


def _serve(world: "World") -> None:
    """Go on delivering what visitors' answers owe, until Ctrl-C."""
    from loop.schedule import deliver  # noqa: PLC0415 - quick start-up

    say.tell("Answer the survey, then look at its record. Ctrl-C ends the demo.")
    try:
        while True:
            deliver(world.app)
            time.sleep(PAUSE_S)
    except KeyboardInterrupt:
        say.tell("")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
