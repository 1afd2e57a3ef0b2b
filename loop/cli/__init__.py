"""The `npsloop` command, a file a group of commands.

A new group is a line at the foot of this file. Keep start-up quick: whatever takes longer than
Typer to import (the configuration, the database, a connector) is imported inside the command.
"""

from typing import Annotated

import typer

from loop.cli import (
    ask,
    bench,
    config,
    customer,
    db,
    demo,
    doctor,
    effects,
    init,
    jobs,
    preview,
    run,
    simulate,
    stages,
    status,
    web,
    worker,
)
from loop.cli.say import Loop

app = typer.Typer(
    cls=Loop,
    name="npsloop",
    help="Ask customers how likely they are to recommend you, and do something about it.",
    epilog="Ends with 0 done, 1 failed, 2 wrong usage, 3 findings, 4 not authorized.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - quick start-up

        typer.echo(f"npsloop {version('npsloop')}")
        raise typer.Exit


@app.callback()
def npsloop(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version and end."
        ),
    ] = False,
) -> None:
    """Ask customers how likely they are to recommend you, and do something about it."""


app.command()(init.init)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.command()(run.run)
app.command()(worker.worker)
app.command()(web.web)
app.command()(stages.pull)
app.command()(stages.choose)
app.command()(ask.ask)
app.command()(stages.deliver)
app.command()(status.status)
app.add_typer(preview.app, name="preview")
app.add_typer(effects.app, name="effects")
app.add_typer(jobs.app, name="jobs")
app.add_typer(customer.app, name="customer")
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.command()(bench.bench)
app.add_typer(simulate.app, name="simulate")


def main() -> None:
    """Run the command line."""
    app(prog_name="npsloop")
