"""The typed configuration: a YAML file, the environment and secret files, checked as one."""

from loop.config.errors import BadConfig, Mendable, Mistake
from loop.config.read import load, secret
from loop.config.tree import (
    Ask,
    Company,
    Config,
    Connector,
    Database,
    FollowUp,
    JobName,
    Program,
    Refer,
    Schedule,
    Sender,
    Settings,
    Web,
)

__all__ = [
    "Ask",
    "BadConfig",
    "Company",
    "Config",
    "Connector",
    "Database",
    "FollowUp",
    "JobName",
    "Mendable",
    "Mistake",
    "Program",
    "Refer",
    "Schedule",
    "Sender",
    "Settings",
    "Web",
    "load",
    "secret",
]
