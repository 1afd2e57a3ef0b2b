"""Finds the files that travel with the code: the templates and the example configuration.

In a checkout, installed editably or not, they lie beside the packages; in a wheel, inside `loop`.
"""

from pathlib import Path


def folder() -> Path:
    """Return the folder that holds `templates` and `config.example.yaml`."""
    package = Path(__file__).resolve().parent
    return package if (package / "templates").is_dir() else package.parent


def templates() -> Path:
    """Return the folder of the letters and pages."""
    return folder() / "templates"


def example() -> Path:
    """Return the example configuration, which shows every default."""
    return folder() / "config.example.yaml"
