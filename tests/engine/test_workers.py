"""What `npsloop worker` and `npsloop web` promise, as real processes on a real PostgreSQL."""

import signal
from collections import Counter

from connectors.sandbox.faults import Fault, Kind
from loop.states import EffectState
from tests.engine.conftest import Plant

PEOPLE = 400


def test_workers_share_the_work_and_take_over_from_the_dead(plant: Plant) -> None:
    plant.sendgrid.faults.add(Fault(kind=Kind.DELAY, delay_s=0.05))
    workers = [plant.start("worker", "--concurrency", "2") for _ in range(3)]
    for one in workers:
        one.says("listening")
    plant.ask(PEOPLE)
    inbox = plant.sendgrid.state.inbox

    plant.wait_until(lambda: len(inbox) > PEOPLE // 4)
    workers[0].process.kill()
    plant.wait_until(lambda: not plant.states()[EffectState.DUE])
    plant.wait_until(lambda: set(plant.calls(open_only=True)) <= {workers[0].pid})
    ended = [one.end(signal.SIGTERM) for one in workers[1:]]

    logs = [one.log.read_text() for one in workers]
    assert ended == [0, 0], logs
    assert len(plant.calls()) > 1
    arrived = Counter(mail.to for mail in inbox)
    assert set(arrived.values()) == {1}
    assert set(plant.states()) <= {EffectState.DONE, EffectState.CLAIMED}
    assert "Traceback" not in "".join(logs)


def test_a_worker_is_for_the_lanes_that_it_was_told(plant: Plant) -> None:
    asked = plant.start("worker", "--only", "mail.leters")

    assert asked.process.wait(60) == 2
    assert "did you mean mail.letters?" in asked.log.read_text()


def test_pages_are_served_by_several_processes(plant: Plant) -> None:
    served = [plant.start("web") for _ in range(2)]
    addresses = {one.says(r"listening on (\S+)") for one in served}

    ended = [one.end(how) for one, how in zip(served, (signal.SIGTERM, signal.SIGINT), strict=True)]

    assert len(addresses) == 2
    assert ended == [0, 130]
