"""What account managers do in their CRMs."""

from collections.abc import Callable

from loop.demo.worlds import World


def finish(world: World, finishes: Callable[[str], bool]) -> int:
    """Let owners finish their tasks about the customers of whom `finishes`; return how many."""
    return _in_salesforce(world, finishes) + _in_hubspot(world, finishes)


def _in_salesforce(world: World, finishes: Callable[[str], bool]) -> int:
    state, done = world.salesforce.state, 0
    for task in state.all("Task"):
        contact = state.get("Contact", task["WhoId"])
        if not task["IsClosed"] and finishes(contact["Email"] or ""):
            state.update("Task", task["Id"], {"Status": "Completed"})
            done += 1
    return done


def _in_hubspot(world: World, finishes: Callable[[str], bool]) -> int:
    state, done = world.hubspot.state, 0
    for task in state.all("tasks"):
        about = state.associated("tasks", task.id, "contacts")
        address = about[0].properties.get("email", "") if about else ""
        if task.properties.get("hs_task_status") != "COMPLETED" and finishes(address):
            state.update("tasks", task.id, {"hs_task_status": "COMPLETED"})
            done += 1
    return done
