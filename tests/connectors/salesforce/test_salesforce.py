"""Salesforce keeps every promise of a CRM, and what is its own besides."""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from connectors.errors import Refused, Unauthorized
from connectors.ports import History, Lead, Outcome, Score, Task
from connectors.salesforce import Salesforce
from connectors.salesforce.write import batches, in_chunks
from connectors.testing import CrmSuite
from tests.connectors.salesforce.world import SalesforceWorld, speaking

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
HOSTILE = "O'Brien \\ \"x\" <b>&amp;</b> %_ {{ x }} ${HOME} \u202e '; DELETE FROM Contact"


class TestSalesforce(CrmSuite):
    pass


def score(contact_id: str, comment: str = "Fine.", **more: object) -> Score:
    fields = {"contact_id": contact_id, "score": 9, "group": "promoter", "comment": comment}
    fields |= {"answered_at": AT, "surveys": 1, "factor": 100}
    return msgspec.convert(fields | more, Score)


def history(key: str, contact_id: str, account_id: str = "") -> History:
    fields = {"key": key, "contact_id": contact_id, "account_id": account_id, "score": 3}
    fields |= {"group": "detractor", "comment": "Late.", "program": "support", "answered_at": AT}
    return msgspec.convert(fields, History)


def task(key: str, contact_id: str, owner_id: str, **more: object) -> Task:
    fields = {"key": key, "contact_id": contact_id, "owner_id": owner_id, "subject": "Call Ann"}
    fields |= {"body": "She gave a 3.", "due": date(2026, 11, 4)}
    return msgspec.convert(fields | more, Task)


def lead(key: str, promoter: str, **more: object) -> Lead:
    fields = {"key": key, "email": "fay@friend.example", "first_name": "Fay"}
    fields |= {"last_name": "Friend", "promoter_contact_id": promoter, "promoter_name": "Ann Able"}
    return msgspec.convert(fields | {"consent": "Yes, 2026-11-02"} | more, Lead)


def only(outcomes: Sequence[Outcome]) -> Outcome:
    [outcome] = outcomes
    return outcome


def refusal(outcomes: Sequence[Outcome]) -> Refused:
    error = only(outcomes).error
    assert isinstance(error, Refused)
    return error


# Pulling


def test_names_of_real_people_arrive_intact(crm: Salesforce, world: SalesforceWorld) -> None:
    names = ["O'Brien", "D'Cruz", "Größe-Łukasz", HOSTILE]
    for name in names:
        world.add_contact(last_name=name)

    pulled = [record.last_name for page in crm.contacts(None) for record in page.records]

    assert pulled == names


def test_more_than_a_page_comes_a_page_at_a_time(crm: Salesforce, world: SalesforceWorld) -> None:
    for number in range(4_001):
        world.add_contact(last_name=f"C{number}")

    pages = list(crm.contacts(None))

    assert [len(page.records) for page in pages] == [2_000, 2_000, 1]
    assert [page.watermark for page in pages] == ["2026-11-02T09:30:00+00:00"] * 3


def test_a_watermark_in_the_middle_is_the_last_rows_stamp(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    for number in range(2_001):
        world.add_contact(last_name=f"C{number}")
    world.later()

    first, last = crm.contacts(None)

    assert first.watermark == "2026-11-02T09:30:00+00:00"
    assert last.watermark == "2026-11-02T10:30:00+00:00"


def test_mapped_fields_are_read(world: SalesforceWorld) -> None:
    fields = {"LastName": "Able", "Product__c": "Router", "Language__c": "de_AT"}
    world.state.add("Contact", fields | {"EmailBouncedReason": "no such user"})
    with speaking(world, product_field="Product__c", locale_field="Language__c") as crm:
        [page] = crm.contacts(None)

    [ann] = page.records
    assert (ann.product, ann.locale, ann.bounced) == ("Router", "de-AT", True)


def test_a_field_that_we_may_not_see_is_done_without(
    crm: Salesforce, world: SalesforceWorld, caplog: pytest.LogCaptureFixture
) -> None:
    ann = world.add_contact(last_name="Able", title="Dr")
    world.state.hide("Contact", "Title")
    caplog.set_level(logging.WARNING)

    pages = [list(crm.contacts(None)) for _ in range(2)]

    assert [page.records[0].id for [page] in pages] == [ann, ann]
    assert [record.getMessage() for record in caplog.records] == [
        "Contact.Title is not visible to us: we do without it"
    ]


def test_without_seeing_who_opted_out_nobody_is_pulled(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    world.add_contact(last_name="Able")
    world.state.hide("Contact", "HasOptedOutOfEmail")

    with pytest.raises(Unauthorized, match="HasOptedOutOfEmail"):
        list(crm.contacts(None))


def test_old_cases_are_no_triggers(crm: Salesforce, world: SalesforceWorld) -> None:
    ann = world.add_contact(last_name="Able")
    old = {"ContactId": ann, "Status": "Closed", "ClosedDate": AT - timedelta(days=40)}
    world.state.add("Case", old)
    world.state.add("Case", {"Status": "Closed", "Subject": "nobody's"})
    recent = world.close_case(ann, "Router")

    [page] = crm.triggers(None)

    assert [trigger.id for trigger in page.records] == [recent]


def test_merged_accounts_are_told(crm: Salesforce, world: SalesforceWorld) -> None:
    owner = world.add_owner("Olga Owner")
    winner, loser = (world.add_account(name, owner) for name in ("Acme", "Acme Ltd"))
    world.state.merge("Account", winner, [loser])

    pages = list(crm.accounts(None))

    assert pages[0].merged == {loser: winner}
    assert [record.id for record in pages[-1].records] == [winner]


# Sessions


def test_a_dead_session_costs_one_login(crm: Salesforce, world: SalesforceWorld) -> None:
    ann = world.add_contact(last_name="Able")
    crm.write_scores([score(ann)])
    world.state.expire_sessions()

    crm.write_scores([score(ann, "Better.")])

    assert world.comment_on(ann) == "Better."
    assert world.state.requests["token"] == 2


def test_a_session_that_dies_in_the_middle_of_a_pull_is_renewed(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    for number in range(2_001):
        world.add_contact(last_name=f"C{number}")

    pages = crm.contacts(None)
    first = next(pages)
    world.state.expire_sessions()
    rest = list(pages)

    assert len(first.records) + sum(len(page.records) for page in rest) == 2_001
    assert world.state.requests["token"] == 2


def test_of_many_threads_one_logs_in(crm: Salesforce, world: SalesforceWorld) -> None:
    crm.org.login()
    world.state.expire_sessions()
    threads = [threading.Thread(target=lambda: list(crm.owners())) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert world.state.requests["token"] == 2


# Writing


def test_what_is_written_to_a_merged_contact_lands_on_the_winner(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    owner = world.add_owner("Olga Owner")
    ann, middle, old = (world.add_contact(last_name=name) for name in "ABC")
    world.merge_contacts(middle, old)
    world.merge_contacts(ann, middle)

    written = only(crm.write_scores([score(old)]))
    kept = only(crm.keep([history("h-1", old)]))
    put = only(crm.put_tasks([task("t-1", old, owner)]))

    assert (written.error, kept.error, put.error) == (None, None, None)
    assert written.remote_id == ann
    assert (world.score_on(ann), world.answers_kept(ann)) == (9, 1)
    assert [there["id"] for there in world.tasks_of(ann)] == [put.remote_id]


def test_what_is_written_to_a_deleted_contact_is_refused(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    ann = world.add_contact(last_name="Able")
    world.delete_contact(ann)

    assert refusal(crm.write_scores([score(ann)])).code == "gone"
    assert refusal(crm.keep([history("h-1", ann)])).code == "gone"


def test_a_deleted_account_does_not_keep_an_answer_away(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    owner = world.add_owner("Olga Owner")
    account = world.add_account("Acme", owner)
    ann = world.add_contact(last_name="Able")
    world.state.delete("Account", account)

    outcomes = crm.keep([history("h-1", ann, account)])

    assert only(outcomes).error is None
    assert world.answers_kept(ann) == 1


def test_a_contact_twice_in_one_call_keeps_the_last(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    ann = world.add_contact(last_name="Able")

    outcomes = crm.write_scores([score(ann, "first"), score(ann, "last")])

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert world.comment_on(ann) == "last"


def test_texts_are_cut_and_cleaned_to_what_a_field_takes(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    owner = world.add_owner("Olga Owner")
    ann = world.add_contact(last_name="Able")
    bad = "a\x00b\ud800c " + "\U0001f600" * 40_000

    written = only(crm.write_scores([score(ann, bad)]))
    put = only(crm.put_tasks([task("t-1", ann, owner, subject="line\nbreak " + "x" * 300)]))

    assert (written.error, put.error) == (None, None)
    assert world.comment_on(ann).startswith("ab?c \U0001f600")
    assert world.comment_on(ann).endswith("\U0001f600…")
    assert world.tasks_of(ann)[0]["subject"].startswith("line break xxx")
    assert len(world.tasks_of(ann)[0]["subject"]) == 255


def test_a_duplicate_rule_does_not_keep_a_score_away(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    world.state.duplicates_block = True
    ann, _ = (world.add_contact(last_name=name, email="office@example.com") for name in "AB")

    assert only(crm.write_scores([score(ann)])).error is None


def test_an_inactive_owner_is_told_apart(crm: Salesforce, world: SalesforceWorld) -> None:
    left = world.add_owner("Leo Left", active=False)
    ann = world.add_contact(last_name="Able")

    assert refusal(crm.put_tasks([task("t-1", ann, left)])).code == "inactive_owner"


def test_a_task_that_somebody_deleted_is_not_made_again(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    owner = world.add_owner("Olga Owner")
    ann = world.add_contact(last_name="Able")
    put = only(crm.put_tasks([task("t-1", ann, owner)]))
    world.delete_task(put.remote_id)

    assert only(crm.put_tasks([task("t-1", ann, owner)])).remote_id == put.remote_id
    assert world.tasks_of(ann) == []


def test_an_archived_task_is_finished_and_not_gone(crm: Salesforce, world: SalesforceWorld) -> None:
    fields = {"Subject": "old", "Status": "Completed", "NPS_Key__c": "t-1", "IsArchived": True}
    old = world.state.add("Task", fields)
    lost = world.state.add("Task", {"Subject": "lost"})
    world.state.purge("Task", lost)

    states = crm.task_states([old, lost, "nonsense"])

    assert [state.gone for state in states] == [False, True, True]
    assert states[0].finished_at == AT
    assert only(crm.put_tasks([task("t-1", "", "")])).remote_id == old


def test_200_tasks_with_long_keys_go_in_one_call(crm: Salesforce, world: SalesforceWorld) -> None:
    owner = world.add_owner("Olga Owner")
    ann = world.add_contact(last_name="Able")
    tasks = [task(f"{number:03}" + "/%'" * 39, ann, owner) for number in range(crm.batch)]

    outcomes = crm.put_tasks(tasks)

    assert {outcome.error for outcome in outcomes} == {None}
    assert len(world.tasks_of(ann)) == crm.batch


def test_a_lead_names_its_promoter_and_is_left_alone_later(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    ann = world.add_contact(last_name="Able")
    crm.add_leads([lead("l-1", ann, last_name="")])
    [there] = world.state.all("Lead")
    world.state.update("Lead", there["Id"], {"Company": "Friends Ltd", "IsConverted": True})

    again = only(crm.add_leads([lead("l-1", ann)]))

    [now] = world.state.all("Lead")
    assert (there["Company"], there["LastName"], there["LeadSource"]) == (
        "Unknown",
        "Unknown",
        "Referral",
    )
    assert (there["NPS_Promoter__c"], again.remote_id) == (ann, there["Id"])
    assert now["Company"] == "Friends Ltd"


def test_a_lead_survives_its_promoter(crm: Salesforce, world: SalesforceWorld) -> None:
    ann = world.add_contact(last_name="Able")
    world.delete_contact(ann)

    assert only(crm.add_leads([lead("l-1", ann)])).error is None


def test_an_account_stands_in_one_request_where_it_fits() -> None:
    items = (
        [("a", n) for n in range(3)] + [("b", n) for n in range(3)] + [("c", n) for n in range(9)]
    )

    cut = list(batches(items, 5, lambda item: item[0]))

    assert [[name for name, _ in batch] for batch in cut] == [
        ["a", "a", "a"],
        ["b", "b", "b"],
        ["c"] * 5,
        ["c"] * 4,
    ]
    assert len(list(in_chunks(["x" * 18] * 1_000))) == 3


def test_links_lead_to_lightning(world: SalesforceWorld) -> None:
    with speaking(world) as crm:
        assert crm.link("task", "00T1") == f"{world.url}/lightning/r/Task/00T1/view"
    with speaking(world, origin="") as crm:
        wanted = "https://acme.my.salesforce.com/lightning/r/Contact/0031/view"
        assert crm.link("contact", "0031") == wanted
