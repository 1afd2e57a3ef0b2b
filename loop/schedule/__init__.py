"""What runs when, and who handles which effect: `jobs` is the page to read.

`tick` takes what is due and `fire` runs it, in one process or in many.
"""

from loop.schedule.firing import (
    AtWork,
    Firing,
    NoSuchJob,
    abandoned,
    fire,
    pause,
    resume,
    run,
    tick,
)
from loop.schedule.jobs import HANDLERS, JOBS, Job, Planned, deliver, lanes, planned
from loop.schedule.standing import Standing, standings

__all__ = [
    "HANDLERS",
    "JOBS",
    "AtWork",
    "Firing",
    "Job",
    "NoSuchJob",
    "Planned",
    "Standing",
    "abandoned",
    "deliver",
    "fire",
    "lanes",
    "pause",
    "planned",
    "resume",
    "run",
    "standings",
    "tick",
]
