"""Follow-up tasks: put once by their key, kept up to date, and looked up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from connectors.hubspot.api import OBJECTS, Api
from connectors.hubspot.kept import Kept, keep_each
from connectors.hubspot.shapes import Plain
from connectors.hubspot.texts import rich, subject
from connectors.hubspot.told import ids_of
from connectors.ports import Outcome, Priority, Task, TaskState

STATUS: Final = "hs_task_status"
FINISHED: Final = "COMPLETED"
FINISHED_AT: Final = ("hs_task_completion_date", "hs_lastmodifieddate")
PRIORITIES: Final = {Priority.HIGH: "HIGH", Priority.NORMAL: "MEDIUM"}
DUE_AT: Final = "T12:00:00.000Z"
"""Noon, so that it is the same day nearly everywhere."""


def put(api: Api, tasks: Sequence[Task]) -> list[Outcome]:
    """Create the tasks, or bring those with their keys up to date."""
    kept = [Kept(t.key, t.contact_id, t.account_id, _properties(t)) for t in tasks]
    return keep_each(api, "tasks", kept, _changes)


def states(api: Api, ids: Sequence[str]) -> list[TaskState]:
    """Return where the tasks stand: one that HubSpot does not find is gone."""
    answer = api.read_each(f"{OBJECTS}/tasks", list(dict.fromkeys(ids)), [STATUS, *FINISHED_AT])
    there = {row.id: row for row in answer.results}
    gone = {id_ for told in answer.errors for id_ in ids_of(told)}
    return [_state(id_, there.get(id_), gone=id_ in gone or not answer.errors) for id_ in ids]


def _properties(task: Task) -> dict[str, str]:
    found = {
        "hs_task_subject": subject(task.subject),
        "hs_task_body": rich(task.body, task.key),
        "hs_task_priority": PRIORITIES[task.priority],
        "hs_task_type": "TODO",
        "hs_timestamp": task.due.isoformat() + DUE_AT,
        STATUS: FINISHED if task.finished else "NOT_STARTED",
    }
    return found | {"hubspot_owner_id": task.owner_id} if task.owner_id else found


def _changes(there: Plain, item: Kept) -> Mapping[str, str]:
    """Leave owner and due date as they are: somebody may have changed them."""
    if there.text(STATUS) == FINISHED:
        return {}
    ours = ("hs_task_subject", "hs_task_body", "hs_task_priority")
    changed = {name: item.properties[name] for name in ours}
    if item.properties[STATUS] == FINISHED:
        changed[STATUS] = FINISHED
    return {name: value for name, value in changed.items() if there.text(name) != value}


def _state(id_: str, there: Plain | None, *, gone: bool) -> TaskState:
    if there is None:
        return TaskState(id=id_, gone=gone)
    if there.text(STATUS) != FINISHED:
        return TaskState(id=id_)
    at = next(filter(None, map(there.text, FINISHED_AT)), "1970-01-01T00:00:00Z")
    return TaskState(id=id_, finished_at=datetime.fromisoformat(at))
