"""The objects of the org that is played: standard fields of real orgs, and npsloop's own."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from connectors.sandbox.salesforce.fields import (
    LONG_TEXT,
    Field,
    SObject,
    area,
    choice,
    flag,
    moment,
    number,
    reference,
    text,
)

PREFIXES: Final = {
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "Task": "00T",
    "Lead": "00Q",
    "Case": "500",
    "NPS_Answer__c": "a00",
}
CLOSED_STATUSES: Final = {"Task": {"Completed"}, "Case": {"Closed"}}
STAGES: Final = (
    "Prospecting",
    "Qualification",
    "Needs Analysis",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
)
SOURCES: Final = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
GROUPS: Final = ("promoter", "passive", "detractor")


def objects(*, prepared: bool) -> dict[str, SObject]:
    """Return the org's objects; `prepared` adds the fields that npsloop writes."""
    tables = {name: list(fields) for name, fields in _standard().items()}
    if prepared:
        for name, fields in _ours().items():
            tables.setdefault(name, []).extend(fields)
    return {
        name: SObject(
            name=name,
            prefix=PREFIXES[name],
            fields={field.name: field for field in [*_system(name), *fields]},
            createable=name != "User",
        )
        for name, fields in tables.items()
    }


def derive(sobject: str, record: dict[str, Any], given: Iterable[str], now: object) -> None:
    """Work out what the server sets by itself, save what was given expressly."""
    free = set(record) - set(given)
    if {"Name", "LastName"} <= record.keys():
        parts = (record.get("FirstName"), record.get("LastName"))
        record["Name"] = " ".join(part for part in parts if part)
    if sobject == "Contact" and "IsEmailBounced" in free:
        record["IsEmailBounced"] = record.get("EmailBouncedReason") is not None
    if sobject in CLOSED_STATUSES:
        _close(record, "CompletedDateTime" if sobject == "Task" else "ClosedDate", free, now)
        record["IsClosed"] = record["Status"] in CLOSED_STATUSES[sobject]
    if sobject == "Opportunity":
        record["IsClosed"] = str(record["StageName"]).startswith("Closed")
        record["IsWon"] = record["StageName"] == "Closed Won"


def _close(record: dict[str, Any], stamp: str, free: set[str], now: object) -> None:
    closed = record["Status"] in {"Completed", "Closed"}
    if not closed:
        record[stamp] = None
    elif record[stamp] is None and stamp in free:
        record[stamp] = now


def _system(sobject: str) -> list[Field]:
    """Return what every object has; none of it can be written by a client."""
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    fields = [
        Field(name="Id", type="id", length=18, **fixed),
        moment("CreatedDate", **fixed),
        reference("CreatedById", "User", **fixed),
        moment("LastModifiedDate", **fixed),
        reference("LastModifiedById", "User", **fixed),
        moment("SystemModstamp", **fixed),
    ]
    if sobject == "User":
        return fields
    queue = ("Group", "User") if sobject in {"Case", "Lead", "Task", "NPS_Answer__c"} else ("User",)
    return [*fields, flag("IsDeleted", **fixed), reference("OwnerId", *queue)]


def _person() -> list[Field]:
    return [
        text("FirstName", 40),
        text("LastName", 80, required=True),
        text("Name", 121, createable=False, updateable=False),
        text("Title", 128),
        Field(name="Email", type="email", length=80),
        Field(name="Phone", type="phone", length=40),
        Field(name="MobilePhone", type="phone", length=40),
    ]


def _address(kind: str) -> list[Field]:
    return [
        Field(name=f"{kind}Street", type="textarea", length=255),
        text(f"{kind}City", 40),
        text(f"{kind}State", 80),
        text(f"{kind}PostalCode", 20),
        text(f"{kind}Country", 80),
    ]


def _standard() -> dict[str, list[Field]]:
    return {
        "User": _user(),
        "Account": _account(),
        "Contact": _contact(),
        "Lead": _lead(),
        "Task": _task(),
        "Case": _case(),
        "Opportunity": _opportunity(),
    }


def _user() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        *(replace(field, required=field.name in {"LastName", "Email"}) for field in _person()),
        text("Username", 80),
        text("Alias", 8),
        flag("IsActive"),
        choice("UserType", "Standard", default="Standard", **fixed),
        choice("LanguageLocaleKey", "en_US", "de", "fr", default="en_US"),
    ]


def _account() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        text("Name", 255, required=True),
        text("AccountNumber", 40),
        choice("Industry", "Apparel", "Banking", "Construction", "Consulting", "Technology"),
        choice("Type", "Prospect", "Customer - Direct", "Customer - Channel"),
        Field(name="Website", type="url", length=255),
        Field(name="Phone", type="phone", length=40),
        Field(name="NumberOfEmployees", type="int", precision=8),
        Field(name="AnnualRevenue", type="currency", precision=18),
        area("Description"),
        reference("ParentId", "Account"),
        reference("MasterRecordId", "Account", **fixed),
        *_address("Billing"),
    ]


def _contact() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        *_person(),
        text("Department", 80),
        area("Description"),
        choice("LeadSource", *SOURCES),
        reference("AccountId", "Account"),
        reference("ReportsToId", "Contact"),
        reference("MasterRecordId", "Contact", **fixed),
        flag("HasOptedOutOfEmail"),
        text("EmailBouncedReason", 255),
        moment("EmailBouncedDate"),
        flag("IsEmailBounced", **fixed),
        text("Product__c", 80),
        text("Language__c", 20),
        *_address("Mailing"),
    ]


def _lead() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        *_person(),
        text("Company", 255, required=True),
        choice("Status", "Open - Not Contacted", "Working", default="Open - Not Contacted"),
        choice("LeadSource", *SOURCES),
        area("Description"),
        flag("HasOptedOutOfEmail"),
        flag("IsConverted", **fixed),
    ]


def _opportunity() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        text("Name", 120, required=True),
        choice("StageName", *STAGES, required=True),
        Field(name="CloseDate", type="date", required=True),
        Field(name="Amount", type="currency", precision=18, scale=2),
        choice("Type", "Existing Customer - Upgrade", "New Customer"),
        choice("LeadSource", *SOURCES),
        area("Description"),
        reference("AccountId", "Account"),
        flag("IsClosed", **fixed),
        flag("IsWon", **fixed),
    ]


def _task() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    statuses = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
    return [
        Field(name="Subject", type="combobox", length=255),
        reference("WhoId", "Contact", "Lead"),
        reference("WhatId", "Account", "Case", "NPS_Answer__c", "Opportunity"),
        choice("Status", *statuses, default="Not Started"),
        choice("Priority", "High", "Normal", "Low", default="Normal"),
        Field(name="ActivityDate", type="date"),
        area("Description"),
        choice("TaskSubtype", "Task", "Email", "Call", default="Task", updateable=False),
        reference("AccountId", "Account", **fixed),
        flag("IsClosed", **fixed),
        flag("IsArchived", **fixed),
        moment("CompletedDateTime", **fixed),
    ]


def _case() -> list[Field]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    return [
        text("CaseNumber", 30, **fixed),
        text("Subject", 255),
        area("Description"),
        choice("Status", "New", "Working", "Escalated", "Closed", default="New"),
        choice("Priority", "High", "Medium", "Low", default="Medium"),
        choice("Origin", "Phone", "Email", "Web"),
        choice("Reason", "Installation", "Performance", "Breakdown", "Other"),
        choice("Type", "Mechanical", "Electrical", "Other"),
        reference("ContactId", "Contact"),
        reference("AccountId", "Account"),
        flag("IsClosed", **fixed),
        flag("IsEscalated"),
        moment("ClosedDate", **fixed),
    ]


def _ours() -> dict[str, list[Field]]:
    """Return the fields of npsloop; those of Task stand on Activity in a real org."""
    key = text("NPS_Key__c", 120, unique=True)
    return {
        "Contact": [
            number("NPS_Score__c", 2),
            choice("NPS_Group__c", *GROUPS, restricted=True),
            area("NPS_Comment__c", LONG_TEXT),
            moment("NPS_Answered_At__c"),
            number("NPS_Surveys__c", 5),
            number("NPS_Factor__c", 3),
        ],
        "Account": [
            number("NPS__c", 4, 1),
            number("NPS_Answers__c", 8),
            moment("NPS_Answered_At__c"),
        ],
        "Task": [key],
        "Lead": [key, reference("NPS_Promoter__c", "Contact")],
        "NPS_Answer__c": [
            text("Name", 80, createable=False, updateable=False),
            key,
            reference("NPS_Contact__c", "Contact"),
            reference("NPS_Account__c", "Account"),
            number("NPS_Score__c", 2),
            choice("NPS_Group__c", *GROUPS, restricted=True),
            area("NPS_Comment__c", LONG_TEXT),
            text("NPS_Program__c", 80),
            moment("NPS_Answered_At__c"),
        ],
    }
