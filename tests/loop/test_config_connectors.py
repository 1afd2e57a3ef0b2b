"""What the configuration promises about the settings of connectors."""

from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from loop.config import BadConfig, load, origin
from tests.loop.config_file import Write


def key_of(path: Path) -> str:
    """Return SendGrid's key as its connector gets it."""
    own: Any = registry.config_for("sendgrid").model_validate(load(path).mailer.own())
    return str(own.api_key.get_secret_value())


def test_a_connectors_secret_file_lies_beside_the_configuration(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("SG.from-a-file\n")

    assert key_of(write("mailer: {type: sendgrid, api_key_file: key}\n")) == "SG.from-a-file"


def test_a_secret_file_wins_over_the_yaml_and_the_environment_over_both(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("SG.from-a-file\n")
    path = write("mailer: {type: sendgrid, api_key: SG.from-the-yaml, api_key_file: key}\n")

    from_file = key_of(path)
    monkeypatch.setenv("NPSLOOP_MAILER__API_KEY", "SG.from-outside")

    assert (from_file, key_of(path)) == ("SG.from-a-file", "SG.from-outside")


def test_a_variable_names_a_crm_by_its_type_or_its_place(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("crms: [{type: hubspot}]\nmailer: {type: memory_mailer}\n")
    monkeypatch.setenv("NPSLOOP_CRMS__HUBSPOT__ACCESS_TOKEN", "pat-eu1-1234")
    monkeypatch.setenv("NPSLOOP_CRMS__0__PORTAL_ID", "77")

    [crm] = load(path).crms

    own = crm.own()
    assert own["access_token"].get_secret_value() == "pat-eu1-1234"
    assert own["portal_id"] == "77"
    found = {each.loc[-1]: (each.value, each.origin) for each in origin.settings(path)}
    assert found["access_token"] == (
        "********",
        "environment NPSLOOP_CRMS__HUBSPOT__ACCESS_TOKEN",
    )
    assert found["portal_id"] == ("77", "environment NPSLOOP_CRMS__0__PORTAL_ID")


def test_a_connectors_secret_is_never_shown(write: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("SG.hunter2\n")
    path = write("mailer: {type: sendgrid, api_key: SG.hunter2}\n")
    by_file = "mailer: {type: sendgrid, api_key_file: key}\n"

    shown = [each for each in origin.settings(path) if each.loc == ("mailer", "api_key")]
    path_of_file = write(by_file)
    read = [each for each in origin.settings(path_of_file) if each.loc == ("mailer", "api_key")]

    assert "hunter2" not in repr(load(path))
    assert [(each.value, each.origin) for each in (*shown, *read)] == [
        ("********", f"{path}:1"),
        ("********", f"file {tmp_path}/key"),
    ]


@pytest.mark.parametrize(
    "text, told",
    [
        (
            "mailer:\n  type: sendgrid\n  api_kye: x\n",
            (
                "3:3: mailer.api_kye: Extra inputs are not permitted\n"
                "      api_kye: x\n"
                "      ^\n"
                "  did you mean api_key"
            ),
        ),
        (
            "mailer:\n  type: sendgrid\n  region: mars\n",
            "3:3: mailer.region: Input should be 'global' or 'eu'\n      region: mars\n      ^",
        ),
        (
            "mailer:\n  type: sendgrd\n",
            (
                "2:3: mailer.type: no connector has the type 'sendgrd': did you mean sendgrid? "
                "known: "
                "hubspot, memory_crm, memory_mailer, salesforce, sendgrid, smtp\n"
                "      type: sendgrd\n"
                "      ^"
            ),
        ),
        (
            "mailer:\n  type: hubspot\n",
            "2:3: mailer.type: hubspot is a CRM, here goes a mailer\n      type: hubspot\n      ^",
        ),
        (
            "mailer:\n  api_key: x\n",
            "1:1: mailer.type: Field required\n    mailer:\n    ^",
        ),
    ],
)
def test_a_mistake_in_a_connectors_settings_has_its_place(
    write: Write, text: str, told: str
) -> None:
    path = write(text)

    with pytest.raises(BadConfig) as bad:
        load(path)

    assert str(bad.value) == f"{path}:{told}"


def test_a_connectors_missing_secret_file_is_told(write: Write, tmp_path: Path) -> None:
    path = write("mailer:\n  type: sendgrid\n  api_key_file: nowhere\n")

    with pytest.raises(BadConfig) as bad:
        load(path)

    assert str(bad.value).split("\n")[0] == (
        f"{path}:3:3: mailer.api_key_file: {tmp_path}/nowhere cannot be read (FileNotFoundError)"
    )
