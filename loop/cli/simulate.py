"""`npsloop simulate`: the loop where everything goes wrong, for developers and for the doubtful."""

import typer

from loop.cli import kill

app = typer.Typer(help="Let everything go wrong, and count what comes of it.", no_args_is_help=True)
app.command()(kill.kill)
