"""What is told of a configuration with mistakes in it."""

from pathlib import Path

import pytest

from loop.config import load
from tests.loop.config_file import GOOD, LONG, Write, mistakes

# What is told


ALL_WRONG = """\
rest_days: 4
crms:
  - type: memory_crm
  - type: memory_cmr
  - type: memory_crm
    colour: red
  - type: memory_mailer
mailer: {type: memory_mailer}
ask:
  seed: ${NPS_NOT_SET}
  rest_days: ninety
programs:
  support: {kind: touchpoint}
  Bad: {kind: relationshp, reason: 3}
follow_up:
  fallback_owner: {memory_cm: '005'}
  holidays: [2030-13-45]
secret: short
"""

TOLD = [
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

    told = [mistake.split("\n")[0] for mistake in mistakes(write(ALL_WRONG))]

    assert told == TOLD


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


@pytest.mark.parametrize(
    "text, problem, hint",
    [
        ("timezone: Europe/Berln", "there is no such time zone", "did you mean Europe/Berlin"),
        ("timezone: new york", "there is no such time zone", "did you mean America/New_York"),
        ("at: {pull: ['9 Uhr']}", 'a time of the day is written "09:00", "Mon 09:00" or', ""),
        ("at: {pull: [10:30]}", "Input should be a valid string", "put it in quotes"),
        ("at: {pull: '10:30'}", "Input should be a valid tuple", "write a list: [...]"),
        ("at: {pul: ['10:30']}", "Input should be 'pull', 'choose',", "did you mean pull"),
        ("skip_missed: [pull]", "pull has no time of the day", "add it to schedule.at"),
    ],
)
def test_a_time_that_cannot_be_is_told_with_what_can(
    write: Write, text: str, problem: str, hint: str
) -> None:
    """A zone by its city, a time in quotes, a job by its name."""
    [told] = mistakes(write(f"{GOOD}schedule: {{{text}}}\n"))

    assert problem in told.splitlines()[0]
    assert told.endswith(f"\n  {hint}" if hint else "^")
