"""A connector is found by its type, and its settings are its own."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors import registry
from connectors.memory import MemoryCrm, MemoryMailer
from connectors.sendgrid import SendGrid, SendGridConfig
from connectors.settings import Settings
from connectors.smtp import Smtp

ROOT = Path(__file__).parents[2]


def test_a_type_gives_its_connector() -> None:
    assert isinstance(registry.connect({"type": "memory_crm"}), MemoryCrm)
    assert isinstance(registry.connect({"type": "memory_mailer"}), MemoryMailer)
    assert isinstance(registry.connect({"type": "smtp"}), Smtp)
    assert isinstance(registry.connect({"type": "sendgrid", "connections": 2}), SendGrid)


def test_a_connector_is_called_by_its_key_in_the_configuration() -> None:
    named = registry.connect({"type": "memory_crm"}, name="europe")
    unnamed = registry.connect({"type": "memory_crm"})

    assert (named.name, unnamed.name) == ("europe", "memory_crm")


def test_an_unknown_type_is_told_with_those_that_there_are() -> None:
    with pytest.raises(registry.UnknownType) as caught:
        registry.connect({"type": "sendgird"})

    assert "did you mean sendgrid?" in str(caught.value)
    assert "memory_crm" in str(caught.value)


@pytest.mark.parametrize("config", [{}, {"type": None}, {"type": 7}], ids=range(3))
def test_no_type_is_an_unknown_type(config: dict[str, object]) -> None:
    with pytest.raises(registry.UnknownType):
        registry.connect(config)


def test_a_wrong_setting_is_told_without_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        registry.connect({"type": "sendgrid", "api_kee": "SG.secret"})

    assert "api_kee" in str(caught.value)
    assert "SG.secret" not in str(caught.value)


def test_the_model_of_the_settings_can_be_asked_for() -> None:
    assert registry.config_for("sendgrid") is SendGridConfig


def test_mailers_and_crms_are_told_apart() -> None:
    mailers = {type_ for type_ in registry.BUILT_IN if registry.is_mailer(type_)}

    assert mailers == {"memory_mailer", "sendgrid", "smtp"}


def test_all_our_own_can_be_loaded() -> None:
    for type_ in registry.BUILT_IN:
        assert "type" in registry.config_for(type_).model_fields


def test_our_own_are_the_entry_points_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"][registry.GROUP] == registry.BUILT_IN


def test_an_installed_package_may_bring_a_connector(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = EntryPoint("pigeon", "connectors.memory:MemoryMailer", registry.GROUP)

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [brought] if name in {None, "pigeon"} else []

    monkeypatch.setattr(registry, "entry_points", entry_points)

    assert "pigeon" in registry.types()
    assert registry.config_for("pigeon") is MemoryMailer.Config


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("SG.from.file\n")

    config = SendGridConfig.model_validate({"api_key_file": str(file)})

    assert config.api_key.get_secret_value() == "SG.from.file"
    assert "SG.from.file" not in repr(config)


def test_a_secret_stands_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("SG.from.file")

    with pytest.raises(ValidationError, match="not both"):
        SendGridConfig.model_validate({"api_key": "SG.a.b", "api_key_file": str(file)})


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"api_key_file: .*missing cannot be read"):
        SendGridConfig.model_validate({"api_key_file": str(tmp_path / "missing")})


def test_settings_that_are_no_mapping_are_told() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate([1])
