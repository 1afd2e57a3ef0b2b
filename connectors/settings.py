"""What the settings of all connectors have in common."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

SECRET_MAX_BYTES = 65_536


class Settings(BaseModel):
    """A connector's settings: frozen, no unknown key, and no value in an error's text.

    A field `x_file` beside a field `x` names a file that holds its value (a container's or
    systemd's secret); one of the two may be given, not both.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        for name in cls.model_fields:
            of_file = f"{name}_file"
            if of_file not in cls.model_fields or not filled.get(of_file):
                continue
            if filled.get(name):
                message = f"give {name} or {of_file}, not both"
                raise ValueError(message)
            filled[name] = _read(of_file, Path(str(filled[of_file])))
        return filled


def _read(setting: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(SECRET_MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{setting}: {path} cannot be read ({type(error).__name__})"
        raise ValueError(message) from None
