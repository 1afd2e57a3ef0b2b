"""What every CRM promises about writing."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from connectors.errors import ConnectorError, Doubtful, Refused, Unavailable
from connectors.fence import fenced
from connectors.ports import AccountScore, Crm, History, Lead, Priority, Score, Task
from connectors.testing.worlds import World

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
DUE = date(2026, 11, 4)
FULL_MAX = 250
TASKS_MAX = 20
COMMENTS = (
    "Simply good.",
    "It's \"fine\" & <b>cheap</b> <script>alert('x')</script>",
    "Zwölf Jahre zufrieden 😀, très bien, 日本語, עברית",
    "first line\nsecond line\n\nfourth line",
    r"C:\new\table \u0041 100% {{ name }} ${HOME} O'Neill; DROP TABLE x; --",
    "word " * 1000,
)


def score(contact_id: str, value: int = 9, comment: str = "Simply good.") -> Score:
    """Return a score to write."""
    return Score(
        contact_id=contact_id,
        score=value,
        group="promoter",
        comment=comment,
        answered_at=AT,
        surveys=1,
        factor=100,
    )


def history(key: str, contact_id: str, comment: str = "Simply good.") -> History:
    """Return an answer to keep."""
    return History(
        key=key,
        contact_id=contact_id,
        score=9,
        group="promoter",
        comment=comment,
        program="relationship",
        answered_at=AT,
    )


def task(key: str, contact_id: str, owner_id: str, body: str = "Please call.") -> Task:
    """Return a task to put."""
    return Task(
        key=key,
        contact_id=contact_id,
        owner_id=owner_id,
        subject="Ann gave us a 3",
        body=body,
        due=DUE,
        priority=Priority.HIGH,
    )


def lead(key: str, promoter: str, email: str = "fay@friend.example") -> Lead:
    """Return a lead to add."""
    return Lead(
        key=key,
        email=email,
        first_name="Fay",
        last_name="Friend",
        company="Friends Ltd",
        promoter_contact_id=promoter,
        promoter_name="Ann Able",
        consent="Call me about your product. 2026-11-02T09:30Z",
    )


def same(told: str, meant: str) -> bool:
    """Return whether a text is intact: line breaks and outer space may differ in kind."""
    return told.replace("\r\n", "\n").strip() == meant.strip()


class WriteSuite:
    """The promises of all methods that write, and of `task_states`."""

    @pytest.fixture
    def owner(self, world: World) -> str:
        """Add an owner."""
        return world.add_owner("Olga Owner")

    @pytest.fixture
    def ann(self, world: World, owner: str) -> str:
        """Add Ann, a contact of an account."""
        account = world.add_account("Acme", owner)
        return world.add_contact(
            email="ann@example.com",
            first_name="Ann",
            last_name="Able",
            account_id=account,
            owner_id=owner,
        )

    @pytest.fixture
    def nobody(self, world: World) -> str:
        """Return the id of a contact that is not there any more."""
        contact = world.add_contact(email="gone@example.com", last_name="Gone")
        world.delete_contact(contact)
        return contact

    def test_a_score_stands_on_the_contact(self, crm: Crm, world: World, ann: str) -> None:
        """Written twice or once, the same."""
        [first] = crm.write_scores([score(ann, 9)])
        [second] = crm.write_scores([score(ann, 9)])
        [third] = crm.write_scores([score(ann, 0)])

        assert [first.error, second.error, third.error] == [None, None, None]
        assert world.score_on(ann) == 0
        assert world.comment_on(ann) == "Simply good."

    def test_a_full_batch_of_scores_is_written(self, crm: Crm, world: World) -> None:
        """`batch` is a number that the service takes."""
        there = [
            world.add_contact(email=f"c{n}@example.com", last_name=f"C{n}")
            for n in range(min(crm.batch, FULL_MAX))
        ]

        outcomes = crm.write_scores([score(contact_id) for contact_id in there])

        assert [outcome.error for outcome in outcomes] == [None] * len(there)
        assert {world.score_on(contact_id) for contact_id in there} == {9}

    def test_a_bad_score_stops_no_other(
        self, crm: Crm, world: World, ann: str, nobody: str
    ) -> None:
        """Outcomes stand in the order of the items."""
        bob = world.add_contact(email="bob@example.com", last_name="Berg")

        outcomes = crm.write_scores([score(ann, 3), score(nobody), score(bob, 4)])

        assert [isinstance(outcome.error, Refused) for outcome in outcomes] == [False, True, False]
        assert (world.score_on(ann), world.score_on(bob)) == (3, 4)

    @pytest.mark.parametrize("comment", COMMENTS, ids=range(len(COMMENTS)))
    def test_any_comment_arrives_intact(
        self, crm: Crm, world: World, ann: str, owner: str, comment: str
    ) -> None:
        """On the contact, in the history and in a task, and harmless in each."""
        [scored] = crm.write_scores([score(ann, comment=comment)])
        [kept] = crm.keep([history("h-1", ann, comment)])
        [put] = crm.put_tasks([task("t-1", ann, owner, body=comment)])

        assert [scored.error, kept.error, put.error] == [None, None, None]
        assert same(world.comment_on(ann), comment)
        assert comment.strip() in world.answer_texts(ann)[0].replace("\r\n", "\n")
        assert comment.strip() in world.tasks_of(ann)[0]["body"].replace("\r\n", "\n")

    def test_a_rollup_stands_on_the_account(self, crm: Crm, world: World, owner: str) -> None:
        """Written twice or once, the same; minus figures too."""
        account = world.add_account("Acme", owner)
        rollup = AccountScore(account_id=account, nps=-12.5, answers=8, answered_at=AT)

        [first] = crm.write_accounts([rollup])
        [second] = crm.write_accounts([rollup])

        assert [first.error, second.error] == [None, None]
        assert world.nps_on(account) == rollup.nps

    def test_an_answer_is_kept_once(self, crm: Crm, world: World, ann: str) -> None:
        """A later version takes the place of the first; another answer stands beside it."""
        [first] = crm.keep([history("h-1", ann, "first words")])
        [again] = crm.keep([history("h-1", ann, "second thoughts")])
        [other] = crm.keep([history("h-2", ann)])

        assert [first.error, again.error, other.error] == [None, None, None]
        assert first.remote_id == again.remote_id != other.remote_id
        assert world.answers_kept(ann) == 2  # noqa: PLR2004 - h-1 and h-2
        assert any("second thoughts" in text for text in world.answer_texts(ann))

    def test_a_bad_answer_stops_no_other(
        self, crm: Crm, world: World, ann: str, nobody: str
    ) -> None:
        """Outcomes stand in the order of the items."""
        outcomes = crm.keep([history("h-0", nobody), history("h-1", ann)])

        assert [isinstance(outcome.error, Refused) for outcome in outcomes] == [True, False]
        assert world.answers_kept(ann) == 1

    def test_a_task_reaches_its_owner_once(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """The same key never makes a second task."""
        [first] = crm.put_tasks([task("t-1", ann, owner)])
        [again] = crm.put_tasks([task("t-1", ann, owner, body="She wrote again.")])

        [there] = world.tasks_of(ann)
        assert [first.error, again.error] == [None, None]
        assert first.remote_id == again.remote_id == there["id"]
        assert (there["subject"], there["owner_id"]) == ("Ann gave us a 3", owner)
        assert (there["due"], there["finished"]) == (DUE, False)
        assert "She wrote again." in there["body"]

    def test_two_tasks_of_one_contact_stay_two(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Keys that begin alike are different keys, in one call too."""
        outcomes = crm.put_tasks([task("t-1", ann, owner), task("t-12", ann, owner)])

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert outcomes[0].remote_id != outcomes[1].remote_id
        assert len(world.tasks_of(ann)) == len(outcomes)

    def test_many_tasks_go_in_one_call(self, crm: Crm, world: World, owner: str) -> None:
        """Each lands on its own contact."""
        there = [
            world.add_contact(email=f"c{n}@example.com", last_name=f"C{n}")
            for n in range(min(crm.batch, TASKS_MAX))
        ]

        outcomes = crm.put_tasks([task(f"t-{n}", c, owner) for n, c in enumerate(there)])

        assert [outcome.error for outcome in outcomes] == [None] * len(there)
        assert [world.tasks_of(c)[0]["id"] for c in there] == [o.remote_id for o in outcomes]

    def test_a_bad_task_stops_no_other(
        self, crm: Crm, world: World, ann: str, owner: str, nobody: str
    ) -> None:
        """Outcomes stand in the order of the items."""
        outcomes = crm.put_tasks([task("t-0", nobody, owner), task("t-1", ann, owner)])

        assert [isinstance(outcome.error, Refused) for outcome in outcomes] == [True, False]
        assert len(world.tasks_of(ann)) == 1

    def test_a_lost_answer_makes_no_second_task(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Everything may be repeated after a doubtful call."""
        world.lose_answer()

        with pytest.raises(Doubtful):
            raise _error(crm, task("t-1", ann, owner))
        world.later()
        [again] = crm.put_tasks([task("t-1", ann, owner)])

        assert again.error is None
        assert len(world.tasks_of(ann)) == 1

    def test_a_finished_task_is_never_reopened(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Nor does its key make another."""
        [put] = crm.put_tasks([task("t-1", ann, owner)])
        world.finish_task(put.remote_id)

        [again] = crm.put_tasks([task("t-1", ann, owner, body="She wrote again.")])

        [there] = world.tasks_of(ann)
        assert (again.error, again.remote_id) == (None, put.remote_id)
        assert there["finished"]

    def test_a_persons_own_changes_to_a_task_stay(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Whoever passes a task on, or puts it off, has a reason."""
        other = world.add_owner("Otto Other")
        [put] = crm.put_tasks([task("t-1", ann, owner)])
        world.change_task(put.remote_id, owner_id=other, due=DUE + timedelta(days=7))

        [again] = crm.put_tasks([task("t-1", ann, owner, body="She wrote again.")])

        [there] = world.tasks_of(ann)
        assert again.error is None
        assert (there["owner_id"], there["due"]) == (other, DUE + timedelta(days=7))
        assert "She wrote again." in there["body"]

    def test_a_task_without_a_reason_is_closed(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """The 3 has become a 9."""
        [put] = crm.put_tasks([task("t-1", ann, owner)])

        [closed] = crm.put_tasks([msgspec.structs.replace(task("t-1", ann, owner), finished=True)])

        [there] = world.tasks_of(ann)
        assert (closed.error, closed.remote_id) == (None, put.remote_id)
        assert there["finished"]

    def test_task_states_stand_in_the_order_asked(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Open, finished, and gone."""
        ids = [
            outcome.remote_id
            for outcome in crm.put_tasks([task(f"t-{n}", ann, owner) for n in range(3)])
        ]
        world.finish_task(ids[1])
        world.delete_task(ids[2])
        asked = [ids[2], ids[0], ids[1]]

        states = crm.task_states(asked)

        assert [state.id for state in states] == asked
        assert [state.gone for state in states] == [True, False, False]
        assert [state.finished_at is not None for state in states[1:]] == [False, True]
        assert crm.task_states([]) == []

    def test_a_lead_is_added_once_and_names_its_promoter(
        self, crm: Crm, world: World, ann: str
    ) -> None:
        """The same key never makes a second lead."""
        [first] = crm.add_leads([lead("l-1", ann)])
        [again] = crm.add_leads([lead("l-1", ann)])

        [there] = world.leads()
        assert [first.error, again.error] == [None, None]
        assert first.remote_id == again.remote_id
        assert (there["email"], there["first_name"]) == ("fay@friend.example", "Fay")
        assert there["last_name"] == "Friend"
        assert "Ann Able" in there["promoter"]

    def test_a_bad_lead_stops_no_other(self, crm: Crm, world: World, ann: str) -> None:
        """Where the CRM refuses one at all, it is that one alone."""
        outcomes = crm.add_leads([lead("l-1", ann, email="no address"), lead("l-2", ann)])

        assert outcomes[1].error is None
        assert "fay@friend.example" in [there["email"] for there in world.leads()]

    def test_nothing_to_write_is_no_call(self, crm: Crm, world: World) -> None:
        """An empty call does not even notice an outage."""
        world.break_down()

        assert list(crm.write_scores([])) == []
        assert list(crm.put_tasks([])) == []
        assert list(crm.keep([])) == []

    def test_nothing_is_written_once_our_time_is_over(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """The fence is asked before each request."""

        def ask() -> None:
            raise Unavailable("us", "somebody else has this task by now")

        with fenced(ask), pytest.raises(Unavailable):
            crm.put_tasks([task("t-1", ann, owner)])

        assert world.tasks_of(ann) == []

    def test_an_outage_while_writing_is_told_as_such(
        self, crm: Crm, world: World, ann: str, owner: str
    ) -> None:
        """Nothing was accepted, and all goes well when it is over."""
        world.break_down()

        with pytest.raises(Unavailable):
            crm.write_scores([score(ann)])
        with pytest.raises(Unavailable):
            crm.put_tasks([task("t-1", ann, owner)])
        world.mend()
        [scored] = crm.write_scores([score(ann)])

        assert scored.error is None
        assert world.tasks_of(ann) == []


def _error(crm: Crm, wanted: Task) -> ConnectorError:
    """Return how a call failed, be it as a whole or for its one item."""
    try:
        [outcome] = crm.put_tasks([wanted])
    except ConnectorError as error:
        return error
    assert outcome.error is not None
    return outcome.error
