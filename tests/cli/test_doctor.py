"""What `npsloop doctor` promises."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Unauthorized, Unavailable
from connectors.memory import MemoryMailer
from connectors.ports import Check
from connectors.transport import CLOCK_SKEW_S
from loop.web import application
from tests.cli.conftest import SECRET, Desk
from tests.cli.serving import serving


@pytest.fixture
def well(desk: Desk) -> Desk:
    """Give a desk where nothing is wrong."""
    told = desk.path.read_text().replace("us.example", "harbour.test")
    desk.path.write_text(told.replace("{name: Example Ltd", "{postal_address: 1 Quay, name: X"))
    desk.path.chmod(0o600)
    return desk


@pytest.fixture(autouse=True)
def _no_clock_of_others() -> Iterator[None]:
    CLOCK_SKEW_S.clear()
    yield
    CLOCK_SKEW_S.clear()


def checks(desk: Desk) -> dict[str, Any]:
    """Return every check, by group and name."""
    told = json.loads(desk.run("doctor", "--json").stdout)
    return {f"{check['group']}: {check['name']}": check for check in told["checks"]}


def test_where_nothing_is_wrong_every_check_passes(well: Desk) -> None:
    done = well.run("doctor")

    assert done.exit_code == 0, done.stdout
    assert "FAILED" not in done.stdout
    assert "passed  database: migrated: at " in done.stdout
    assert "passed  mailer: reachable: in memory" in done.stdout


def test_looking_changes_nothing(well: Desk) -> None:
    before = well.dump()

    well.run("doctor")

    assert well.dump() == before


def test_what_fails_comes_with_the_next_step(desk: Desk) -> None:
    done = desk.run("doctor")

    assert done.exit_code == 3
    assert "FAILED  configuration: sender: feedback@us.example" in done.stdout
    assert "        next: set sender.email to an address of yours" in done.stdout


def test_a_service_that_does_not_know_us_is_a_matter_of_rights(
    well: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(self: MemoryMailer) -> Iterator[Check]:
        raise Unauthorized("mail", "the key is over: make a new one")

    monkeypatch.setattr(MemoryMailer, "checks", unknown)

    done = well.run("doctor")

    assert done.exit_code == 4
    assert "FAILED  mailer: answers: the key is over: make a new one" in done.stdout


def test_a_service_that_is_down_stops_no_other_check(
    well: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(self: MemoryMailer) -> Iterator[Check]:
        raise Unavailable("mail", "it is down")

    monkeypatch.setattr(MemoryMailer, "checks", down)

    done = well.run("doctor")

    assert done.exit_code == 3
    assert "passed  memory_crm: reachable" in done.stdout


def test_mistakes_in_the_configuration_are_findings(desk: Desk) -> None:
    desk.path.write_text("aks: 1\n")

    done = desk.run("doctor")

    assert done.exit_code == 3
    assert "next: npsloop init writes one, npsloop config check looks it over" in done.stdout


def test_a_missing_configuration_is_a_finding(desk: Desk, tmp_path: Path) -> None:
    assert desk.run("doctor", config=tmp_path / "none.yaml").exit_code == 3


def test_an_old_database_is_told_with_the_command(well: Desk) -> None:
    with sqlite3.connect(well.path.parent / "npsloop.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()

    check = checks(well)["database: migrated"]

    assert check["passed"] is False
    assert check["remedy"] == "npsloop db upgrade"


def test_no_database_yet_is_no_fault_and_none_is_made(well: Desk) -> None:
    (well.path.parent / "npsloop.db").unlink()

    assert checks(well)["database: file"]["passed"] is True
    assert not (well.path.parent / "npsloop.db").exists()


def test_a_server_that_does_not_answer_is_told_with_the_setting(well: Desk) -> None:
    url = "postgresql://ann@127.0.0.1:1/loop"
    well.path.write_text(f"{well.path.read_text()}database: {{url: '{url}'}}\n")

    check = checks(well)["database: reachable"]

    assert check["passed"] is False
    assert "database.url" in check["remedy"]


def test_a_secret_that_others_can_read_is_told(well: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    told = well.path.read_text().replace(f"secret: {SECRET}", f"secret_file: {secret}")
    well.path.write_text(told)

    check = checks(well)["secrets: secret"]

    assert check["passed"] is False
    assert check["remedy"] == f"chmod 600 {secret}"


def test_secrets_in_the_configuration_make_it_one(well: Desk) -> None:
    well.path.chmod(0o644)
    assert checks(well)["secrets: config.yaml"]["passed"] is False

    well.path.chmod(0o600)
    assert checks(well)["secrets: config.yaml"]["passed"] is True


def test_pages_without_encryption_are_told(well: Desk) -> None:
    told = well.path.read_text().replace("http://127.0.0.1:9", "http://nps.invalid")
    well.path.write_text(told)

    assert checks(well)["pages: https"]["passed"] is False
    assert checks(well)["pages: reachable"]["passed"] is False


def test_pages_that_answer_are_told(well: Desk) -> None:
    with serving(application(well.world.app)) as address:
        well.path.write_text(well.path.read_text().replace("http://127.0.0.1:9", address))

        assert checks(well)["pages: reachable"]["found"] == "it answers"


def test_a_clock_that_is_wrong_is_told(well: Desk) -> None:
    CLOCK_SKEW_S["hubspot"] = 3600.0

    check = checks(well)["clock: right"]

    assert check["passed"] is False
    assert check["found"] == "+3600 s beside that of hubspot"


def test_a_mistake_in_a_template_is_told(well: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "ask" / "de"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ custmer }}")
    well.path.write_text(f"{well.path.read_text()}templates: templates\n")

    found = checks(well)

    assert found["templates: mails and pages"]["passed"] is True
    assert "unknown word custmer" in found["templates: mails and pages in de"]["found"]
