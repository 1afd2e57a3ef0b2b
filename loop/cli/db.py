"""`npsloop db`: bring the database to this version, and copy it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath

OTHER_ENDS_S: Final = 15
"""As long as an upgrade waits for another one."""

app = typer.Typer(help="Bring the database to this version, and copy it.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigPath = CONFIG_PATH, *, as_json: AsJson = False) -> None:
    """Bring the database to this version's shape. Doing it twice is the same as once."""
    from loop.cli.lock import alone  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as loop, alone(loop.store, wait_s=OTHER_ENDS_S):
        before = loop.store.revision()
        loop.store.upgrade()
        after = loop.store.revision()
    data = {"version": say.VERSION, "before": before, "after": after}
    changed = f"from {before or 'nothing'} to {after}" if before != after else f"at {after} already"
    say.out(data, as_json=as_json, view=lambda to: to.print(say.plain(f"database: {changed}")))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The copy; it must not exist yet.")],
    config: ConfigPath = CONFIG_PATH,
    *,
    as_json: AsJson = False,
) -> None:
    """Copy a SQLite database, while it is in use."""
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config, check=False) as loop:
        if not loop.store.lite:
            name = loop.store.url.database
            raise say.fail(f"this is PostgreSQL: pg_dump --file {file} {name}", say.EXIT_USAGE)
        if loop.store.empty():
            raise say.fail("there is nothing in the database yet: npsloop db upgrade makes it")
        try:
            loop.store.backup(file)
        except FileExistsError as error:
            raise say.fail(f"{file} exists already: name another file") from error
    size = file.stat().st_size
    data = {"version": say.VERSION, "file": str(file), "bytes": size}
    say.out(
        data,
        as_json=as_json,
        view=lambda to: to.print(say.plain(f"{file}: {size / 1e6:.1f} MB")),
    )
