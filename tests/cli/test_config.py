"""What `npsloop config` promises, and the way all commands speak."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from connectors.errors import Refused, Unauthorized, Unavailable
from loop.cli import app, say
from loop.config import Mendable

GOOD = """\
company: {name: Ann Ltd}
crms: [{type: memory_crm}]
mailer: {type: memory_mailer}
programs: {support: {kind: touchpoint, event: case_closed}}
secret: a-secret-of-at-least-thirty-two-characters
"""

run = CliRunner()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_configuration_passes(path: Path) -> None:
    done = run.invoke(app, ["config", "check", "-c", str(path)])

    assert done.exit_code == 0
    assert done.stdout == (
        f"{path}: no mistakes (CRMs: memory_crm; mailer: memory_mailer; programs: support)\n"
    )


def test_mistakes_are_findings(path: Path) -> None:
    path.write_text(f"{GOOD}aks: {{seed: 1}}\n")

    done = run.invoke(app, ["config", "check", "-c", str(path)])

    assert done.exit_code == say.EXIT_FINDINGS
    assert done.stdout == (
        f"{path}:6:1: aks: Extra inputs are not permitted\n"
        "    aks: {seed: 1}\n"
        "    ^\n"
        "  did you mean ask\n"
    )


def test_mistakes_are_told_as_json(path: Path) -> None:
    path.write_text(f"{GOOD}aks: {{seed: 1}}\n")

    done = run.invoke(app, ["config", "check", "-c", str(path), "--json"])

    told = json.loads(done.stdout)
    assert done.exit_code == say.EXIT_FINDINGS
    assert not told["passed"]
    assert [(each["key"], each["row"], each["column"]) for each in told["mistakes"]] == [
        ("aks", 6, 1)
    ]


def test_the_variable_names_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSLOOP_CONFIG", str(path))

    assert run.invoke(app, ["config", "check"]).exit_code == 0


def test_what_is_shown_is_a_configuration_again_with_secrets_masked(path: Path) -> None:
    done = run.invoke(app, ["config", "show", "-c", str(path)])

    assert done.exit_code == 0
    assert "secret: '********'" in done.stdout
    assert "thirty-two" not in done.stdout
    path.write_text(done.stdout.replace("secret: '********'", ""))
    assert run.invoke(app, ["config", "check", "-c", str(path)]).exit_code == 0


def test_origins_are_shown_a_line_each(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSLOOP_ASK__SEED", "7")

    done = run.invoke(app, ["config", "show", "--origin", "-c", str(path)])

    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["company.name", '"Ann', 'Ltd"', f"{path}:1"] in lines
    assert ["ask.seed", "7", "environment", "NPSLOOP_ASK__SEED"] in lines
    assert ["ask.rest_days", "90", "default"] in lines


def test_origins_are_shown_as_json(path: Path) -> None:
    done = run.invoke(app, ["config", "show", "--origin", "--json", "-c", str(path)])

    assert json.loads(done.stdout)["company.name"] == {"value": "Ann Ltd", "origin": f"{path}:1"}


def test_a_bad_configuration_ends_other_commands_without_a_traceback(tmp_path: Path) -> None:
    done = run.invoke(app, ["config", "show", "-c", str(tmp_path / "config.yaml")])

    assert done.exit_code == say.EXIT_FAILED
    assert done.stdout == ""
    assert done.stderr == (
        f"{tmp_path}/config.yaml: there is no such file\n  `npsloop init` writes one\n"
    )


# How all commands speak


@pytest.mark.parametrize(
    "error, code, said",
    [
        (Mendable("mend [red]me[/red]"), 1, "mend [red]me[/red]\n"),
        (Unavailable("hubspot", "is down"), 1, "hubspot: is down\n"),
        (Refused("hubspot", "no"), 1, "hubspot: no\n"),
        (Unauthorized("hubspot", "the token is wrong"), 4, "hubspot: the token is wrong\n"),
        (PermissionError(13, "Permission denied", "a.db"), 1, "a.db: Permission denied\n"),
    ],
)
def test_what_an_operator_can_mend_is_one_line(error: Exception, code: int, said: str) -> None:
    done = run.invoke(group_that_raises(error), ["go"])

    assert (done.exit_code, done.stdout, done.stderr) == (code, "", said)


def test_a_bug_is_a_traceback() -> None:
    done = run.invoke(group_that_raises(KeyError("bug")), ["go"])

    assert isinstance(done.exception, KeyError)


def group_that_raises(error: Exception) -> typer.Typer:
    """Return a command line of one command, `go`, that fails."""
    group = typer.Typer(cls=say.Loop)

    @group.callback()
    def top() -> None:
        """Keep the command a command."""

    @group.command()
    def go() -> None:
        raise error

    return group


def test_other_peoples_text_can_neither_steer_the_terminal_nor_be_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "Ann \x1b[2J[bold]O'Hara[/] \x9b31m \u202eevil"

    say.out({"name": name}, as_json=False)
    say.out({"name": name}, as_json=True)

    shown, _, written = capsys.readouterr().out.partition("\n")
    assert shown == "name  Ann \\x1b[2J[bold]O'Hara[/] \\x9b31m \\u202eevil"
    assert "\x1b" not in written
    assert "\x9b" not in written
    assert "\u202e" not in written
    assert json.loads(written) == {"name": name}


def test_nobody_is_asked_where_nobody_can_answer() -> None:
    group = typer.Typer(cls=say.Loop)

    @group.command()
    def go(*, yes: say.Yes = False) -> None:
        say.agree("Mail 300 people?", yes=yes)

    assert run.invoke(group, []).exit_code == say.EXIT_USAGE
    assert run.invoke(group, ["--yes"]).exit_code == 0


def test_a_misspelled_command_is_a_matter_of_usage() -> None:
    done = run.invoke(app, ["confg"])

    assert done.exit_code == say.EXIT_USAGE
    assert "Did you mean 'config'?" in done.stderr


def test_the_command_line_starts_without_what_commands_need() -> None:
    heavy = "{'pydantic', 'sqlmodel', 'sqlalchemy', 'rich', 'starlette', 'jinja2', 'yaml'}"
    code = f"import sys, loop.cli; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_help_comes_at_once() -> None:
    before = os.times().children_user

    subprocess.run([sys.executable, "-m", "loop.cli", "--help"], capture_output=True, check=True)

    assert os.times().children_user - before < 0.5  # 0.12 s of the processor's time when measured
