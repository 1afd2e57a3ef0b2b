"""What `npsloop worker` and `npsloop web` promise, as real processes on a real PostgreSQL."""

import signal
import urllib.parse
import urllib.request
from collections import Counter

from typer.testing import CliRunner

from connectors.sandbox.faults import Fault, Kind
from loop.app import Purpose
from loop.cli import app as commands
from loop.models import Answer, JobRun, Survey
from loop.states import EffectState
from tests.engine.conftest import Plant
from tests.engine.wire import REFUSED, wire

PEOPLE = 600


def test_workers_share_the_work_and_take_over_from_the_dead(plant: Plant) -> None:
    plant.sendgrid.faults.add(Fault(kind=Kind.DELAY, delay_s=0.1))
    workers = [plant.start("worker", "--concurrency", "2") for _ in range(3)]
    killed, ended, _ = workers
    for one in workers:
        one.says("listening")
    plant.ask(PEOPLE)
    inbox = plant.sendgrid.state.inbox

    plant.wait_until(lambda: len(inbox) > PEOPLE // 6)
    killed.process.kill()
    code = ended.end(signal.SIGTERM)
    left = plant.calls(open_only=True)
    plant.wait_until(lambda: not plant.states()[EffectState.DUE])
    plant.wait_until(lambda: set(plant.calls(open_only=True)) <= {killed.pid})

    logs = "".join(one.log.read_text() for one in workers)
    assert code == 0, logs
    assert left[ended.pid] == 0
    assert len(plant.calls()) > 1
    assert set(Counter(mail.to for mail in inbox).values()) == {1}
    assert set(plant.states()) <= {EffectState.DONE, EffectState.CLAIMED}
    assert "Traceback" not in logs


def test_each_firing_happens_once_whoever_has_it(plant: Plant) -> None:
    workers = [plant.start("worker"), plant.start("worker"), plant.start("run")]
    for one in workers:
        one.says("listening")

    plant.wait_until(lambda: len(runs(plant)) > 12)
    status = CliRunner().invoke(commands, ["status", "-c", str(plant.path)])
    codes = [one.end(signal.SIGTERM) for one in workers]

    assert "2 heard of lately" in status.stdout
    found = runs(plant)
    assert codes == [0, 0, 0]
    assert {run.name for run in found} == {"pull", "choose", "deliver", "close", "tidy"}
    assert {(run.problem, run.tries) for run in found} == {("", 1)}
    assert len({(run.name, run.slot) for run in found}) == len(found)


def runs(plant: Plant) -> list[JobRun]:
    return [run for run in plant.all(JobRun) if run.ended_at is not None]


def test_a_worker_that_cannot_listen_looks_by_itself(plant: Plant, database: str) -> None:
    with wire(database, REFUSED) as url:
        plant.set("database", url=url)
        worker = plant.start("worker", "--only", "mail.letters")
        worker.says("polling")
        plant.ask(2)

        plant.wait_until(lambda: plant.states() == {EffectState.DONE: 2})

        assert worker.end(signal.SIGINT) == 130


def test_pages_are_served_by_several_processes(plant: Plant) -> None:
    plant.ask(2)
    served = [plant.start("web") for _ in range(2)]
    addresses = [one.says(r"listening on (\S+)") for one in served]

    for address, survey in zip(addresses, plant.all(Survey), strict=True):
        path = urllib.parse.urlsplit(plant.app.link(Purpose.ANSWER, survey.id)).path
        with urllib.request.urlopen(address + path, b"score=9", timeout=10) as page:
            assert page.status == 200
    codes = [served[0].end(signal.SIGTERM), served[1].end(signal.SIGINT)]

    assert [answer.score for answer in plant.all(Answer)] == [9, 9]
    assert codes == [0, 130]


def test_a_lane_that_nobody_knows_is_wrong_usage(plant: Plant) -> None:
    done = CliRunner().invoke(commands, ["worker", "--only", "mail.leters", "-c", str(plant.path)])

    assert done.exit_code == 2
    assert "did you mean mail.letters?" in done.stderr


def test_workers_need_a_secret_in_common(plant: Plant) -> None:
    plant.set("secret")

    done = CliRunner().invoke(commands, ["worker", "-c", str(plant.path)])

    assert done.exit_code == 1
    assert "set secret_file" in done.stderr
