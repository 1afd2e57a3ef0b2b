"""A configuration file to write, and what is told of a bad one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loop.config import BadConfig, load

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


def mistakes(path: Path) -> list[str]:
    """Return what is told of a bad file, without the folder."""
    with pytest.raises(BadConfig) as told:
        load(path)
    return [str(each).replace(f"{path.parent}/", "") for each in told.value.mistakes]
