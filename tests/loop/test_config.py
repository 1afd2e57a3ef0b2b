"""What the configuration promises."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from loop.config import BadConfig, Config, load, origin, secret

GOOD = """\
company:
  name: Ann Ltd
crms:
  - type: memory_crm
mailer:
  type: memory_mailer
programs:
  support:
    kind: touchpoint
    event: case_closed
"""
LONG = "a-secret-of-at-least-thirty-two-characters"

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _nothing_set_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NPSLOOP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes(path: Path) -> list[str]:
    """Return what is told of a bad file, without the folder."""
    with pytest.raises(BadConfig) as told:
        load(path)
    return [str(each).replace(f"{path.parent}/", "") for each in told.value.mistakes]


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


# What is told


def test_a_mistake_is_told_with_its_place_and_the_nearest_name(write: Write) -> None:
    path = write("company:\n  name: Ann Ltd\n  prodcut: x\nmailer: {type: memory_mailer}\n")

    assert mistakes(path) == [
        (
            "config.yaml:3:3: company.prodcut: Extra inputs are not permitted\n"
            "      prodcut: x\n"
            "      ^\n"
            "  did you mean product"
        )
    ]


def test_all_mistakes_are_told_at_once_in_the_files_order(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPSLOOP_WEB__PORT", "99999")
    path = write(
        "rest_days: 4\n"
        "crms:\n"
        "  - type: memory_crm\n"
        "  - type: memory_cmr\n"
        "  - type: memory_crm\n"
        "    colour: red\n"
        "  - type: memory_mailer\n"
        "mailer: {type: memory_mailer}\n"
        "ask:\n"
        "  seed: ${NPS_NOT_SET}\n"
        "  rest_days: ninety\n"
        "programs:\n"
        "  support: {kind: touchpoint}\n"
        "  Bad: {kind: relationshp, reason: 3}\n"
        "follow_up:\n"
        "  fallback_owner: {memory_cm: '005'}\n"
        "  holidays: [2030-13-45]\n"
        "secret: short\n"
    )

    told = [mistake.split("\n")[0] for mistake in mistakes(path)]

    assert told == [
        "config.yaml:1:1: rest_days: Extra inputs are not permitted",
        (
            "config.yaml:4:5: crms.1.type: no connector has the type 'memory_cmr': did you mean "
            "memory_crm? known: hubspot, memory_crm, memory_mailer, salesforce, sendgrid, smtp"
        ),
        "config.yaml:5:5: crms.2.type: there is a CRM of the type memory_crm already",
        "config.yaml:6:5: crms.2.colour: Extra inputs are not permitted",
        "config.yaml:7:5: crms.3.type: memory_mailer is a mailer, here goes a CRM",
        "config.yaml:10:3: ask.seed: NPS_NOT_SET is not set in the environment",
        (
            "config.yaml:11:3: ask.rest_days: Input should be a valid integer, unable to parse "
            "string as an integer"
        ),
        "config.yaml:13:3: programs.support.event: a touchpoint program needs an event",
        "config.yaml:14:3: programs.Bad: String should match pattern '^[a-z][a-z0-9_-]{0,31}$'",
        "config.yaml:14:9: programs.Bad.kind: Input should be 'relationship' or 'touchpoint'",
        "config.yaml:14:28: programs.Bad.reason: Input should be a valid string",
        (
            "config.yaml:16:20: follow_up.fallback_owner.memory_cm: no CRM of this type stands "
            "under crms"
        ),
        (
            "config.yaml:17:14: follow_up.holidays.0: Input should be a valid date or datetime, "
            "month value is outside expected range of 1-12"
        ),
        "config.yaml:18:1: secret: needs at least 32 characters, has 5",
        "environment NPSLOOP_WEB__PORT: web.port: Input should be less than or equal to 65535",
    ]


@pytest.mark.parametrize(
    "text, hint",
    [
        ("rest_days: 4", "did you mean ask.rest_days"),
        ("every_days: 4", "did you mean programs.<name>.every_days"),
        ("company: {name: 7}", "put it in quotes"),
        ("programs: {a: {kind: relationshp}}", "did you mean relationship"),
        ("secret: ${NPS_SECRT}", "did you mean ${NPS_SECRET}"),
    ],
)
def test_a_mistake_comes_with_a_way_out(
    write: Write, text: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_SECRET", LONG)
    path = write(f"{text}\nmailer: {{type: memory_mailer}}\n")

    [mistake] = mistakes(path)

    assert mistake.split("\n")[-1] == f"  {hint}"


def test_a_secret_in_the_file_is_not_shown_with_its_mistake(write: Write) -> None:
    path = write(f"{GOOD}secret: hunter2\n")

    [mistake] = mistakes(path)

    assert "hunter2" not in mistake
    assert "secret: ***" in mistake


def test_a_key_that_stands_there_twice_is_told(write: Write) -> None:
    [mistake] = mistakes(write(f"{GOOD}company: {{name: Bob Ltd}}\n"))

    assert mistake.startswith("config.yaml:11:1: company: stands here twice, first in line 1\n")


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "config.yaml: the file is empty\n  `npsloop init` writes one"),
        (b"# nothing but words\n", "config.yaml: the file is empty\n  `npsloop init` writes one"),
        (
            b"company:\n\tname: Ann\n",
            (
                "config.yaml:2:1: a tab where YAML wants spaces\n     name: Ann\n    ^\n"
                "  indent with spaces"
            ),
        ),
        (b"- a\n", "config.yaml:1:1: expected settings, `name: value` a line\n    - a\n    ^"),
        (
            b"ask: [1\nweb: 2\n",
            "config.yaml:2:4: expected ',' or ']', but got ':'\n    web: 2\n       ^",
        ),
        (b"a: b\nc: \xff\n", "config.yaml:2: the file is not in UTF-8; save it as UTF-8"),
        (b"a: b\n\x00", "config.yaml:2:1: the character #x0000 is not allowed\n    \x00\n    ^"),
        (b"a: &a [*a]\n", "config.yaml:1:4: holds itself\n    a: &a [*a]\n       ^"),
        (
            b"secret: !secret x\n",
            (
                "config.yaml:1:9: could not determine a constructor for the tag '!secret'\n"
                "    secret: ***\n            ^\n"
                "  no tags: name a file (`..._file`), or write ${NAME} for an environment variable"
            ),
        ),
        (b"[" * 5000, "config.yaml: nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_in_words(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)

    assert mistakes(path) == [told]


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "config.yaml") == [
        "config.yaml: there is no such file\n  `npsloop init` writes one"
    ]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()

    assert mistakes(tmp_path / "config.yaml") == ["config.yaml: cannot be read: Is a directory"]


def test_a_missing_secret_file_is_told_where_it_is_named(write: Write) -> None:
    [mistake] = mistakes(write(f"{GOOD}secret_file: nowhere\n"))

    assert mistake.startswith("config.yaml:11:1: secret_file: ")
    assert "nowhere cannot be read: No such file or directory" in mistake


def test_a_short_secret_in_a_file_is_told_where_the_file_is_named(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("short")

    [mistake] = mistakes(write(f"{GOOD}secret_file: key\n"))

    assert mistake.startswith("config.yaml:11:1: secret_file: needs at least 32 characters, has 5")


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("NPSLOOP_ASKK__SEED", "1", "askk.seed: there is no such setting\n  did you mean ask"),
        (
            "NPSLOOP_PUBLIC_URLL",
            "x",
            "public_urll: there is no such setting\n  did you mean public_url",
        ),
        ("NPSLOOP_ASK__SED", "1", "ask.sed: Extra inputs are not permitted\n  did you mean seed"),
        (
            "NPSLOOP_WEB",
            "{bad",
            (
                "web: expected JSON: Expecting property name enclosed in double "
                "quotes: line 1 column 2 (char 1)"
            ),
        ),
        (
            "NPSLOOP_CRMS__HUBSPOT__TOKEN",
            "x",
            "crms.hubspot: no CRM of this type stands in the file",
        ),
        ("NPSLOOP_CRMS__MEMORY_CRM__COLOUR", "x", "crms.0.colour: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)

    assert mistakes(write(GOOD)) == [f"environment {name}: {told}"]


def test_a_variable_that_is_no_setting_is_left_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPSLOOP_CONFIG", "config.yaml")
    monkeypatch.setenv("NPSLOOP_HOME", "/somewhere")

    assert load(write(GOOD)).company.name == "Ann Ltd"


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
