"""What `npsloop init` promises."""

import os
import pty
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loop.cli import app, say
from loop.config import load

run = CliRunner()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_flags_alone_write_a_configuration_that_loads(path: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pat-eu1-1234\n")
    flags = ["--company", "Ann's: Ltd", "--crm", "hubspot", "--mailer", "sendgrid"]
    flags += ["--set", "hubspot.access_token_file=token", "--set", "ask.rest_days=30"]
    flags += ["--set", "hubspot.portal_id='77'", "--program", "support"]

    done = run.invoke(app, ["init", "-c", str(path), "--yes", *flags])

    config = load(path)
    assert (done.exit_code, done.stderr) == (0, f"wrote {path}\nnext: npsloop doctor\n")
    assert config.company.name == "Ann's: Ltd"
    assert [crm.own() for crm in config.crms] == [
        {"type": "hubspot", "access_token_file": str(tmp_path / "token"), "portal_id": "77"}
    ]
    assert config.ask.rest_days == 30
    assert list(config.programs) == ["support"]


def test_the_file_keeps_a_word_on_every_setting(path: Path) -> None:
    run.invoke(app, ["init", "-c", str(path), "--yes", "--crm", "-", "--mailer", "sendgrid"])

    written = path.read_text()

    assert "  # Your company, as customers know it.\n  name: Example Ltd\n" in written
    assert "#ask:\n#  # Nobody is asked twice within this time, whatever the program.\n" in written
    assert "#  rest_days: 90\n" in written


def test_a_file_that_is_there_is_not_overwritten_unless_forced(path: Path) -> None:
    path.write_text("mine")
    command = ["init", "-c", str(path), "--yes", "--crm", "-", "--mailer", "sendgrid"]

    refused = run.invoke(app, command)
    kept = path.read_text()
    forced = run.invoke(app, [*command, "--force"])

    assert (refused.exit_code, kept) == (say.EXIT_USAGE, "mine")
    assert refused.stderr == f"{path} is there already. --force overwrites it.\n"
    assert forced.exit_code == 0
    assert path.read_text() != "mine"


def test_no_secret_is_taken_from_the_command_line(path: Path) -> None:
    flags = ["--crm", "-", "--mailer", "sendgrid", "--set", "sendgrid.api_key=SG.1234"]

    done = run.invoke(app, ["init", "-c", str(path), "--yes", *flags])

    assert done.exit_code == say.EXIT_USAGE
    assert "SG.1234" not in done.stderr
    assert "say sendgrid.api_key_file=PATH or sendgrid.api_key='${NAME}'" in done.stderr
    assert not path.exists()


def test_a_secret_may_be_a_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDGRID", "SG.1234")
    flags = ["--crm", "-", "--mailer", "sendgrid", "--set", "sendgrid.api_key=${SENDGRID}"]

    done = run.invoke(app, ["init", "-c", str(path), "--yes", *flags])

    assert done.exit_code == 0
    assert "\n  api_key: ${SENDGRID}\n" in path.read_text()
    assert load(path).mailer.own()["api_key"].get_secret_value() == "SG.1234"


@pytest.mark.parametrize(
    "flags, told",
    [
        (["--crm", "hubspt"], "crms: hubspt: choose from hubspot, salesforce"),
        (["--mailer", "post"], "mailer: post: choose from sendgrid, smtp"),
        (["--public-url", "nowhere"], "public_url: Input should be a valid URL"),
        (["--company", ""], "company.name: String should have at least 1 character"),
        (["--set", "ask"], "--set ask: expected KEY=VALUE"),
    ],
)
def test_a_wrong_flag_is_told_and_nothing_is_written(
    path: Path, flags: list[str], told: str
) -> None:
    done = run.invoke(app, ["init", "-c", str(path), "--yes", "--crm", "-", *flags])

    assert done.exit_code == say.EXIT_USAGE
    assert told in done.stderr
    assert not path.exists()


def test_what_is_still_missing_is_told_after_writing(path: Path) -> None:
    flags = ["--crm", "hubspot", "--mailer", "sendgrid", "--set", "hubspot.colour=red"]

    done = run.invoke(app, ["init", "-c", str(path), "--yes", *flags])

    assert done.exit_code == say.EXIT_FINDINGS
    assert "crms.0" in done.stderr
    assert done.stderr.endswith("next: mend this, then npsloop config check\n")


def test_where_nobody_answers_flags_are_wanted(path: Path) -> None:
    done = run.invoke(app, ["init", "-c", str(path)])

    assert done.exit_code == say.EXIT_USAGE
    assert done.stderr.endswith("Nobody answers. Say --yes, and give the answers as flags.\n")


def test_a_pasted_secret_goes_to_a_file_of_its_own_and_is_never_shown(
    path: Path, tmp_path: Path
) -> None:
    shown = answers_at_a_terminal(
        path,
        {
            "reach the pages": "nowhere",
            "valid URL": "https://nps.example",
            "Your company": "Ann Ltd",
            "mails come from": "ann@example.com",
            "Which CRMs": "salesforce, hubspot",
            "sign in": "secret",
            "my_domain": "ann",
            "client_id": "3MVG",
            "client_secret: ": "hunter2-salesforce",
            "access_token: ": "hunter2-hubspot",
            "sends the mail": "sendgrid",
            "api_key: ": "$SENDGRID",
            "webhook_public_key": "",
            "Which surveys": "relationship",
        },
    )

    written = path.read_text()
    kept = tmp_path / "secrets" / "salesforce-client_secret"
    assert "next: npsloop doctor" in shown
    assert "hunter2" not in shown
    assert "hunter2" not in written
    assert "public_url: https://nps.example" in written
    assert "    client_secret_file: secrets/salesforce-client_secret\n" in written
    assert "\n  api_key: ${SENDGRID}\n" in written
    assert kept.read_text() == "hunter2-salesforce\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def answers_at_a_terminal(path: Path, answers: dict[str, str]) -> str:
    """Type each answer once its question has come. Return what stood on the terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "loop.cli", "init", "-c", str(path)]
    environment = os.environ | {"SENDGRID": "SG.1234", "COLUMNS": "400", "NO_COLOR": "1"}
    shown = ""
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        for question, answer in answers.items():
            seen = shown
            while question not in shown[len(seen) :] or not shown.endswith(": "):
                assert select.select([ours], [], [], 20)[0], f"never asked {question}: {shown}"
                shown += os.read(ours, 65_536).decode()
            os.write(ours, f"{answer}\n".encode())
        while chunk := _read_to_the_end(ours):
            shown += chunk
        process.wait(30)
    os.close(ours)
    return shown


def _read_to_the_end(terminal: int) -> str:
    try:
        return os.read(terminal, 65_536).decode()
    except OSError:  # Linux says so where the other side has hung up
        return ""
