"""Reads the configuration: a YAML file, the environment and secret files, checked as one."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from loop.config import checks, layers
from loop.config.errors import BadConfig
from loop.config.layers import Reading
from loop.config.tree import Config

SECRET_FILE: Final = ".npsloop-secret"  # noqa: S105 - a file's name


def load(path: Path | None) -> Config:
    """Return the configuration. Raise `BadConfig` with everything that is wrong with it.

    The environment wins over secret files, they over the YAML, that over the defaults. Without
    a path there is no YAML. Relative paths begin at the file's folder.
    """
    return read(path)[1]


def read(path: Path | None) -> tuple[Reading, Config]:
    """Return the configuration, and the layers that it was made from."""
    reading = layers.read(path)
    config = checks.check(reading)
    if config is None or reading.mistakes:
        raise BadConfig(*sorted(reading.mistakes, key=lambda each: (not each.row, each.row)))
    return reading, config


def secret(config: Config, beside: Path) -> SecretStr:
    """Return the installation's secret; make one in the folder where none is set.

    It is made once, readable by its owner alone, and whole before anybody can see it: of two
    processes that start together, both take the first one's.
    """
    if config.secret is not None:
        return config.secret
    path = beside / SECRET_FILE
    if not path.exists():
        _make_secret(path)
    return SecretStr(path.read_text(encoding="utf-8").strip())


def _make_secret(path: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=SECRET_FILE, dir=path.parent)  # mode 0600
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        path.hardlink_to(made)
    except FileExistsError:
        pass  # another process was first
    finally:
        made.unlink()
