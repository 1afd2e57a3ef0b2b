"""What can be set for Salesforce, and what the doctor finds there."""

import pytest
from pydantic import ValidationError

from connectors.salesforce import Config, Salesforce
from connectors.sandbox.salesforce import USERNAME, SalesforceSandbox
from tests.connectors.salesforce.world import SalesforceWorld, config, playing, speaking

# Settings


@pytest.mark.parametrize(
    "changes,problem",
    [
        ({"password": "x", "security_token": "y"}, "retires"),
        ({"client_secret": ""}, "client_secret_file"),
        ({"my_domain": ""}, "my_domain"),
        ({"username": USERNAME, "private_key": "x"}, "either"),
        ({"access_token": "x"}, "instance_url"),
        ({"score_field": "x; DROP"}, "score_field"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    world: SalesforceWorld, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        config(world, **changes)


def test_a_domain_may_be_given_as_the_browser_shows_it(world: SalesforceWorld) -> None:
    for shown in ("https://acme.my.salesforce.com/", "acme.lightning.force.com", "acme"):
        assert config(world, my_domain=shown).my_domain == "acme"


def test_no_secret_is_shown(world: SalesforceWorld) -> None:
    assert "not-a-secret" not in repr(config(world)) + config(world).model_dump_json()


def test_every_setting_says_what_it_is() -> None:
    missing = [name for name, field in Config.model_fields.items() if not field.description]

    assert missing == ["type"]


# The doctor


def test_the_doctor_names_each_missing_field() -> None:
    with playing(SalesforceSandbox(prepared=False)) as world, speaking(world) as crm:
        failed = {check.name: check for check in crm.checks() if not check.passed}

    assert set(failed) == {
        f"fields of {it}" for it in ("Account", "Contact", "Lead", "NPS_Answer__c", "Task")
    }
    assert "NPS_Score__c is missing" in failed["fields of Contact"].found
    assert "create NPS_Score__c on Contact as Number(2, 0)" in failed["fields of Contact"].remedy
    assert "create NPS_Key__c on Activity as Text(120)" in failed["fields of Task"].remedy
    assert "create NPS_Answer__c" in failed["fields of NPS_Answer__c"].remedy


def test_the_doctor_finds_what_may_not_be_written_or_seen(
    crm: Salesforce, world: SalesforceWorld
) -> None:
    world.state.forbid("Contact", "NPS_Score__c")
    world.state.hide("Contact", "HasOptedOutOfEmail")
    world.state.daily_max = 200

    failed = {check.name: check for check in crm.checks() if not check.passed}

    assert "NPS_Score__c is read-only" in failed["fields of Contact"].found
    assert "HasOptedOutOfEmail is not visible" in failed["fields of Contact"].found


def test_the_doctor_stops_where_nothing_can_be_seen(world: SalesforceWorld) -> None:
    with speaking(world, client_secret="wrong") as crm:
        [check] = crm.checks()

    assert (check.name, check.passed) == ("credentials", False)
    assert check.remedy


def test_the_doctor_warns_of_a_low_quota(crm: Salesforce, world: SalesforceWorld) -> None:
    world.state.daily_max, world.state.api_used = 1_000, 950

    assert [check.name for check in crm.checks() if not check.passed] == ["daily quota"]
