"""`npsloop bench`: our real path beside the least that could be done, for developers."""

import os
import subprocess
import sys
from enum import StrEnum
from typing import Annotated

import typer

from loop import resources
from loop.cli import say
from loop.cli.say import AsJson


class Bench(StrEnum):
    """What can be measured."""

    PULL = "pull"
    RENDER = "render"
    ANSWER = "answer"
    DELIVER = "deliver"


class Crm(StrEnum):
    """From which CRM to pull."""

    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"


def bench(
    which: Annotated[Bench, typer.Argument(help="What to measure.", show_default=False)],
    *,
    n: Annotated[int | None, typer.Option("-n", min=1, help="How many.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of how many the median.")] = None,
    crm: Annotated[Crm | None, typer.Option(help="Pull from this CRM only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast we are, beside the least that could be done (a checkout only)."""
    root = resources.folder()
    file = root / "benchmarks" / f"{which}.py"
    if not file.exists():
        remedy = "clone the project and run ./npsloop bench there"
        raise say.fail(f"there are no benchmarks at {root}: {remedy}", say.EXIT_USAGE)
    if crm is not None and which is not Bench.PULL:
        raise say.fail("--crm is for pull only", say.EXIT_USAGE)
    given = {"-n": n, "--rounds": rounds, "--crm": crm}
    options = [str(each) for one in given.items() if one[1] is not None for each in one]
    command = [sys.executable, str(file), *options, *(["--json"] if as_json else [])]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    measured = subprocess.run(  # noqa: S603 - a file of our own
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=False
    )
    if measured.returncode:
        raise say.fail(f"the benchmark failed ({measured.returncode})")
