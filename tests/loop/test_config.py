"""What the configuration promises."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from loop.config import Config, load, origin, secret
from tests.loop.config_file import GOOD, LONG, Write

# What is taken


def test_a_setting_that_is_not_written_has_its_default(write: Write) -> None:
    config = load(write(GOOD))

    assert config.company.name == "Ann Ltd"
    assert config.ask == Config().ask
    assert config.programs["support"].delay_hours == 24


def test_a_section_left_empty_is_at_its_defaults(write: Write) -> None:
    config = load(write(f"{GOOD}ask:\n"))

    assert config.ask == Config().ask


def test_a_file_by_an_editor_that_marks_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert load(path).company.name == "Ann Ltd"


def test_the_environment_wins_over_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSLOOP_COMPANY__NAME", "Bob Ltd")
    monkeypatch.setenv("NPSLOOP_FOLLOW_UP__HOLIDAYS", '["2030-12-25"]')
    monkeypatch.setenv("NPSLOOP_PROGRAMS__SUPPORT__SAMPLE", "0.5")

    config = load(write(GOOD))

    assert config.company.name == "Bob Ltd"
    assert config.follow_up.holidays == {date(2030, 12, 25)}
    assert config.programs["support"].sample == 0.5
    assert config.programs["support"].kind == "touchpoint"


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSLOOP_MAILER__TYPE", "memory_mailer")
    monkeypatch.setenv("NPSLOOP_CRMS", '[{"type": "memory_crm"}]')

    config = load(None)

    assert config.mailer.type == "memory_mailer"
    assert [crm.type for crm in config.crms] == ["memory_crm"]


def test_an_empty_variable_sets_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPSLOOP_COMPANY__NAME", "")

    assert load(write(GOOD)).company.name == "Ann Ltd"


def test_a_secret_file_wins_over_the_file_and_the_environment_over_both(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{LONG}-from-a-file\n")
    path = write(f"{GOOD}secret: {LONG}\nsecret_file: key\n")

    from_file = load(path).secret
    monkeypatch.setenv("NPSLOOP_SECRET", f"{LONG}-from-outside")
    from_outside = load(path).secret

    assert from_file is not None
    assert from_file.get_secret_value() == f"{LONG}-from-a-file"
    assert from_outside is not None
    assert from_outside.get_secret_value() == f"{LONG}-from-outside"


def test_a_name_is_filled_from_the_environment_once_the_yaml_is_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPANY", "Ann: the # company\nask: 3")
    path = write(GOOD.replace("Ann Ltd", "${COMPANY} $${COMPANY}") + "# ${NOT_SET}\n")

    assert load(path).company.name == "Ann: the # company\nask: 3 ${COMPANY}"


def test_relative_paths_begin_at_the_files_folder(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pw\n")
    path = write(f"{GOOD}templates: mine\ndatabase: {{url: 'sqlite:///a.db', password_file: key}}")

    config = load(path)

    assert config.templates == tmp_path / "mine"
    assert config.database.url == f"sqlite:///{tmp_path}/a.db"
    assert config.database.password is not None
    assert config.database.password.get_secret_value() == "pw"


def test_the_default_database_lies_beside_the_file(write: Write, tmp_path: Path) -> None:
    assert load(write(GOOD)).database.url == f"sqlite:///{tmp_path}/npsloop.db"


@pytest.mark.parametrize("url", ["sqlite:////var/a.db", "sqlite://", "postgresql://u@h/n"])
def test_other_databases_stay_as_they_are(write: Write, url: str) -> None:
    assert load(write(f"{GOOD}database: {{url: '{url}'}}\n")).database.url == url


# Secrets


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = secret(Config(), tmp_path)
    again = secret(Config(), tmp_path)

    [made] = tmp_path.iterdir()
    assert first == again
    assert len(first.get_secret_value()) >= 32
    assert made.name == ".npsloop-secret"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_all_that_start_together_have_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secret(Config(), tmp_path).get_secret_value(), range(32)))

    assert len(made) == 1


def test_a_secret_that_is_set_is_the_one(write: Write, tmp_path: Path) -> None:
    config = load(write(f"{GOOD}secret: {LONG}\n"))

    assert secret(config, tmp_path).get_secret_value() == LONG
    assert not (tmp_path / ".npsloop-secret").exists()


# Origins


def origins(path: Path) -> dict[str, tuple[object, str]]:
    """Return each setting's value and origin, without the folder."""
    return {
        ".".join(map(str, each.loc)): (
            each.value,
            each.origin.replace(f"{path.parent}/", ""),
        )
        for each in origin.settings(path)
    }


def test_each_value_tells_where_it_came_from(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPSLOOP_ASK__SEED", "7")
    (tmp_path / "key").write_text(LONG)
    path = write(f"{GOOD}secret_file: key\ndatabase: {{url: 'postgresql://u:pw@h/n'}}\n")

    found = origins(path)

    assert found["company.name"] == ("Ann Ltd", "config.yaml:2")
    assert found["crms.0.type"] == ("memory_crm", "config.yaml:4")
    assert found["programs.support.event"] == ("case_closed", "config.yaml:10")
    assert found["programs.support.sample"] == (1.0, "default")
    assert found["ask.seed"] == (7, "environment NPSLOOP_ASK__SEED")
    assert found["secret"] == ("********", "file key")
    assert found["database.url"] == ("postgresql://u:********@h/n", "config.yaml:12")


def test_the_settings_are_light_to_import() -> None:
    code = "import sys, loop.config; print({'sqlmodel', 'starlette', 'simple_salesforce'} "
    code += "& set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
