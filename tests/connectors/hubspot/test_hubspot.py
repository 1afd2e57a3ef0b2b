"""The HubSpot connector keeps the promises of a CRM, on the sandbox and over real HTTP."""

from bisect import insort
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from connectors.errors import Refused
from connectors.hubspot import Config, HubSpot
from connectors.hubspot.texts import BODY_MAX, mark_in, mark_of, rich
from connectors.ports import Contact, Owner, Priority
from connectors.sandbox.faults import Fault, Kind
from connectors.sandbox.hubspot import PORTAL
from connectors.testing import CrmSuite
from connectors.testing.pulling import pulled
from connectors.testing.writing import AT, history, lead, score, task
from tests.connectors.hubspot.world import HubSpotWorld, connected


class TestHubSpot(CrmSuite):
    """All promises of a CRM."""


def test_a_contact_is_read_to_its_last_field(url: str, world: HubSpotWorld) -> None:
    state = world.state
    acme, other = (state.add("companies", {"name": name}) for name in ("Acme", "Other"))
    own = {
        "email": "ann@example.com",
        "firstname": "Ann",
        "lastname": "Able",
        "jobtitle": "CTO",
        "hubspot_owner_id": "70001",
        "hs_language": "de-at",
        "product": "Router",
        "hs_email_optout": "true",
        "hs_email_hard_bounce_reason_enum": "UNKNOWN_USER",
    }
    ann = state.add("contacts", own, [("companies", acme), ("companies", other)])
    meant = Contact(
        id=ann,
        email="ann@example.com",
        first_name="Ann",
        last_name="Able",
        title="CTO",
        account_id=acme,
        owner_id="70001",
        locale="de-AT",
        product="Router",
        opted_out=True,
        bounced=True,
    )
    crm = connected(url, product_property="product")

    listed, searched = crm.contacts(None), crm.contacts(AT.isoformat())

    assert pulled(listed).records == {ann: meant}
    assert pulled(searched).records == {ann: meant}


def test_one_property_may_serve_twice(url: str, world: HubSpotWorld) -> None:
    ann = world.state.add("contacts", {"jobtitle": "CTO"})

    found = pulled(connected(url, product_property="jobtitle").contacts(None)).records[ann]

    assert isinstance(found, Contact)
    assert (found.title, found.product) == ("CTO", "CTO")


def test_hundreds_of_one_instant_are_all_found(crm: HubSpot, world: HubSpotWorld) -> None:
    still = AT
    there = set()
    for n in range(900):
        at = still + timedelta(milliseconds=n // 450)
        world.state.now = lambda at=at: at  # type: ignore[misc]
        there.add(world.state.add("contacts", {"lastname": f"C{n}"}))

    pages = list(crm.contacts((still - timedelta(hours=1)).isoformat()))

    assert {record.id for page in pages for record in page.records} == there
    assert max(len(page.records) for page in pages) <= 200


def test_no_page_of_a_search_is_turned(crm: HubSpot, world: HubSpotWorld) -> None:
    """A record that changes while we read moves to the end, and another would slip past us."""
    there = [world.state.add("contacts", {"lastname": f"C{n}"}) for n in range(450)]
    pages = crm.contacts((datetime.now(UTC) - timedelta(hours=1)).isoformat())

    seen = {record.id for record in next(pages).records}
    world.passed += timedelta(seconds=1)
    for contact in there[:150]:
        world.rename_contact(contact, "Changed")
    seen |= {record.id for page in pages for record in page.records}

    assert seen == set(there)


def test_a_search_that_lags_loses_nothing(crm: HubSpot, world: HubSpotWorld) -> None:
    world.state.index_delay_s = 20
    world.later()
    first = pulled(crm.contacts(None))
    ann = world.add_contact(email="ann@example.com")
    world.passed += timedelta(seconds=15)
    too_early = pulled(crm.contacts(first.watermark))
    world.passed += timedelta(seconds=15)

    then = pulled(crm.contacts(too_early.watermark))

    assert ann not in too_early.records
    assert ann in then.records


def test_a_loser_that_is_archived_too_is_merged_and_not_gone(
    crm: HubSpot, world: HubSpotWorld
) -> None:
    ann, bob = (world.add_contact(email=f"{name}@example.com") for name in ("ann", "bob"))
    first = pulled(crm.contacts(None))
    record = world.state.get("contacts", bob)
    world.merge_contacts(ann, bob)
    record.archived_at = world.state.now()
    world.state._records["contacts"][bob] = record
    insort(world.state._order["contacts"], int(bob))

    second = pulled(crm.contacts(first.watermark))

    assert (second.merged, second.gone) == ({bob: ann}, frozenset())


def test_a_watermark_that_is_none_of_ours_means_everything(
    crm: HubSpot, world: HubSpotWorld
) -> None:
    ann = world.add_contact(email="ann@example.com")

    assert ann in pulled(crm.contacts("yesterday")).records


def test_a_ticket_without_a_contact_is_no_trigger(crm: HubSpot, world: HubSpotWorld) -> None:
    world.state.add("tickets", {"subject": "Nobody's", "hs_pipeline_stage": "4"})
    ann = world.add_contact(email="ann@example.com")
    world.state.add("tickets", {"subject": "Open", "hs_pipeline_stage": "1"}, [("contacts", ann)])

    assert pulled(crm.triggers(None)).records == {}


def test_owners_come_with_name_and_address(crm: HubSpot, world: HubSpotWorld) -> None:
    olga = world.add_owner("Olga Owner")
    nameless = world.state.add_owner("", "", "queue@example.com")

    found = [owner for page in crm.owners() for owner in page.records]

    assert found == [
        Owner(id=olga, name="Olga Owner", email="olga.owner@example.com"),
        Owner(id=nameless, name="queue@example.com", email="queue@example.com"),
    ]


def test_ten_thousand_scores_take_a_hundred_calls(crm: HubSpot, world: HubSpotWorld) -> None:
    there = [world.state.add("contacts", {"lastname": f"C{n}"}) for n in range(1000)]
    before = world.state.requests.total()

    for start in range(0, 1000, crm.batch):
        crm.write_scores([score(contact) for contact in there[start : start + crm.batch]])

    assert world.state.requests.total() - before == 10


def test_two_scores_for_one_contact_are_one_write(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")

    outcomes = crm.write_scores([score(ann, 3), score(ann, 9)])

    assert [outcome.remote_id for outcome in outcomes] == [ann, ann]
    assert world.score_on(ann) == 9


def test_a_batch_refused_as_a_whole_is_tried_in_halves(crm: HubSpot, world: HubSpotWorld) -> None:
    """HubSpot refuses some batches as a whole, whatever the trace ids say."""
    there = [world.add_contact(email=f"c{n}@example.com") for n in range(5)]
    world.sandbox.faults.add(Fault(kind=Kind.STATUS, status=400, path="/batch/update", times=4))

    outcomes = crm.write_scores([score(contact) for contact in there])

    assert [isinstance(outcome.error, Refused) for outcome in outcomes] == [True, *[False] * 4]
    assert [world.score_on(contact) for contact in there] == [None, 9, 9, 9, 9]


def test_a_property_that_is_missing_is_named(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")
    world.state.schema.remove("contacts", "nps_comment")

    [outcome] = crm.write_scores([score(ann)])

    assert isinstance(outcome.error, Refused)
    assert "PROPERTY_DOESNT_EXIST (nps_comment)" in str(outcome.error)
    assert "create it in HubSpot" in str(outcome.error)


def test_a_task_has_all_that_its_owner_needs(crm: HubSpot, world: HubSpotWorld) -> None:
    olga = world.add_owner("Olga Owner")
    acme = world.add_account("Acme", olga)
    ann = world.add_contact(email="ann@example.com")
    wanted = msgspec.structs.replace(task("t-1", ann, olga), account_id=acme)

    [put] = crm.put_tasks([wanted])

    own = world.state.get("tasks", put.remote_id).properties
    assert own["hs_timestamp"] == "2026-11-04T12:00:00.000Z"
    assert (own["hs_task_priority"], own["hs_task_type"]) == ("HIGH", "TODO")
    assert own["hs_task_status"] == "NOT_STARTED"
    [there] = world.state.associated("companies", acme, "tasks")
    assert there.id == put.remote_id
    assert crm.put_tasks([wanted])[0].remote_id == put.remote_id
    assert world.state.requests["batch_update"] == 0


def test_an_inactive_owner_is_named_as_the_reason(crm: HubSpot, world: HubSpotWorld) -> None:
    leo = world.add_owner("Leo Left", active=False)
    ann = world.add_contact(email="ann@example.com")

    [put] = crm.put_tasks([task("t-1", ann, leo)])

    assert isinstance(put.error, Refused)
    assert put.error.code == "inactive_owner"


def test_a_task_for_nobody_in_particular_has_no_owner(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")
    normal = msgspec.structs.replace(task("t-1", ann, ""), priority=Priority.NORMAL)

    [put] = crm.put_tasks([normal])

    own = world.state.get("tasks", put.remote_id).properties
    assert "hubspot_owner_id" not in own
    assert own["hs_task_priority"] == "MEDIUM"


def test_of_two_tasks_with_one_mark_the_first_counts(crm: HubSpot, world: HubSpotWorld) -> None:
    ann, olga = world.add_contact(email="ann@example.com"), world.add_owner("Olga Owner")
    [put] = crm.put_tasks([task("t-1", ann, olga)])
    own = world.state.get("tasks", put.remote_id).properties
    world.state.add("tasks", own, [("contacts", ann)])

    [again] = crm.put_tasks([task("t-1", ann, olga)])

    assert again.remote_id == put.remote_id


def test_a_company_that_is_gone_costs_no_task(crm: HubSpot, world: HubSpotWorld) -> None:
    ann, olga = world.add_contact(email="ann@example.com"), world.add_owner("Olga Owner")

    [put] = crm.put_tasks([msgspec.structs.replace(task("t-1", ann, olga), account_id="1")])

    assert put.error is None
    assert world.tasks_of(ann)[0]["id"] == put.remote_id


def test_words_that_a_person_added_hide_no_task(crm: HubSpot, world: HubSpotWorld) -> None:
    ann, olga = world.add_contact(email="ann@example.com"), world.add_owner("Olga Owner")
    quoting = task("t-1", ann, olga, body=f"She wrote {mark_of('t-9')}")
    [put] = crm.put_tasks([quoting])
    body = world.state.get("tasks", put.remote_id).properties["hs_task_body"]
    changed = f"<p>{body}</p><p>I called her. <b>Olga</b></p>"
    world.state.update("tasks", put.remote_id, {"hs_task_body": changed})

    [again, other] = crm.put_tasks([quoting, task("t-9", ann, olga)])

    assert again.remote_id == put.remote_id
    assert other.remote_id != put.remote_id


@pytest.mark.parametrize("key", ["t-1", "case:12/task", "a b", "]", "ä&<"])
def test_any_key_makes_a_mark_that_is_found(key: str) -> None:
    assert mark_in(rich("words", key)) == mark_of(key)


@pytest.mark.parametrize("sign", ["x", "&", "\n", "😀"])
def test_a_body_is_cut_where_hubspot_would_refuse_it(sign: str) -> None:
    body = rich(sign * 70_000, "t-1")

    assert len(body) <= BODY_MAX
    assert mark_in(body) == mark_of("t-1")


def test_a_contact_with_many_tasks_is_looked_through(crm: HubSpot, world: HubSpotWorld) -> None:
    ann, olga = world.add_contact(email="ann@example.com"), world.add_owner("Olga Owner")
    world.state.associations_page = 2
    wanted = [task(f"t-{n}", ann, olga) for n in range(7)]

    first = crm.put_tasks(wanted)
    again = crm.put_tasks(wanted)

    assert [outcome.remote_id for outcome in again] == [outcome.remote_id for outcome in first]
    assert len(world.tasks_of(ann)) == 7


def test_a_kept_answer_stands_on_the_company_too(crm: HubSpot, world: HubSpotWorld) -> None:
    acme = world.add_account("Acme", "")
    ann = world.add_contact(email="ann@example.com")

    [kept] = crm.keep([msgspec.structs.replace(history("h-1", ann), account_id=acme)])

    [note] = world.state.associated("companies", acme, "notes")
    assert note.id == kept.remote_id
    assert note.properties["hs_timestamp"] == "2026-11-02T09:30:00.000Z"


def test_a_lead_has_status_promoter_and_consent(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")

    [added] = crm.add_leads([lead("l-1", ann)])
    crm.add_leads([lead("l-1", ann)])

    own = world.state.get("contacts", added.remote_id).properties
    assert (own["hs_lead_status"], own["company"], own["nps_key"]) == ("NEW", "Friends Ltd", "l-1")
    assert own["nps_referred_by"] == f"Ann Able ({ann})"
    [words] = world.answer_texts(added.remote_id)
    assert "Call me about your product." in words


def test_a_friend_who_was_there_before_keeps_what_they_had(
    crm: HubSpot, world: HubSpotWorld
) -> None:
    ann = world.add_contact(email="ann@example.com")
    fay = world.add_contact(email="fay@friend.example", first_name="Fay", last_name="Fayette")

    [first] = crm.add_leads([lead("l-1", ann)])
    [second] = crm.add_leads([lead("l-2", "1")])

    own = world.state.get("contacts", fay).properties
    assert (first.remote_id, second.remote_id) == (fay, fay)
    assert (own["lastname"], own.get("hs_lead_status")) == ("Fayette", None)
    assert (own["nps_key"], own["nps_referred_by"]) == ("l-1", f"Ann Able ({ann})")


def test_two_friends_of_one_address_are_one_lead(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")

    outcomes = crm.add_leads([lead("l-1", ann), lead("l-2", ann, email="FAY@friend.example")])

    assert outcomes[0].remote_id == outcomes[1].remote_id != ""
    assert world.leads()[0]["email"] == "fay@friend.example"


@pytest.mark.parametrize("kind, number", [("contact", "0-1"), ("account", "0-2"), ("task", "0-27")])
def test_links_lead_to_the_record(url: str, kind: str, number: str) -> None:
    known = HubSpot(Config(type="hubspot", access_token="a-token", portal_id="42"))

    assert connected(url).link(kind, "7") == f"{url}/contacts/{PORTAL}/record/{number}/7"
    assert known.link(kind, "7") == f"https://app.hubspot.com/contacts/42/record/{number}/7"


def test_a_missing_property_is_named_with_its_remedy(crm: HubSpot, world: HubSpotWorld) -> None:
    world.add_owner("Olga Owner")
    world.state.schema.remove("contacts", "nps_score")
    world.state.schema.remove("companies", "nps")

    failed = [check for check in crm.checks() if not check.passed]

    assert [check.name for check in failed] == ["contacts: nps_score", "companies: nps"]
    assert "create the property nps_score of contacts with the type number" in failed[0].remedy


def test_no_owners_is_a_finding(crm: HubSpot) -> None:
    [failed] = [check for check in crm.checks() if not check.passed]

    assert "crm.objects.owners.read" in failed.remedy


def test_the_settings_want_a_token() -> None:
    with pytest.raises(ValueError, match="give access_token or access_token_file"):
        Config(type="hubspot")


def test_a_friend_who_signed_up_is_no_customer_yet(crm: HubSpot, world: HubSpotWorld) -> None:
    ann = world.add_contact(email="ann@example.com")
    [outcome] = crm.add_leads([lead("l-1", ann)])

    assert [c.id for page in crm.contacts(None) for c in page.records] == [ann]
    world.state.update("contacts", outcome.remote_id, {"lifecyclestage": "customer"})
    assert len([c for page in crm.contacts(None) for c in page.records]) == 2
