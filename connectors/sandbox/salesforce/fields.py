"""What a field of an object is: its type, its length, and who may write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

LONG_TEXT: Final = 32_768
"""Beyond 255 characters a text cannot be filtered or sorted by."""
FILTERABLE_LENGTH: Final = 255
SOAP_TYPES: Final = {"boolean": "xsd:boolean", "date": "xsd:date", "datetime": "xsd:dateTime"}
SOAP_TYPES_OF_NUMBERS: Final = {"double": "xsd:double", "currency": "xsd:double", "int": "xsd:int"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field, as describe tells it."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    unique: bool = False
    default: Any = None
    values: tuple[str, ...] = ()
    restricted: bool = False
    refers: tuple[str, ...] = ()
    relation: str | None = None

    @property
    def custom(self) -> bool:
        """Say whether somebody added it to this org."""
        return self.name.endswith("__c")

    @property
    def filterable(self) -> bool:
        """Say whether it may stand in WHERE and ORDER BY."""
        return not (self.type == "textarea" and self.length > FILTERABLE_LENGTH)

    @property
    def is_text(self) -> bool:
        """Say whether its values are text."""
        kinds = {"string", "textarea", "email", "phone", "url", "picklist", "combobox"}
        return self.type in kinds

    def describe(self) -> dict[str, Any]:
        """Return the field as `/describe` shows it."""
        return {
            "aggregatable": self.filterable,
            "autoNumber": False,
            "byteLength": self.length * 3,
            "calculated": not (self.createable or self.updateable) and not self.refers,
            "caseSensitive": False,
            "createable": self.createable,
            "custom": self.custom,
            "defaultValue": self.default,
            "defaultedOnCreate": self.default is not None,
            "externalId": self.unique,
            "filterable": self.filterable,
            "idLookup": self.unique or self.type in {"id", "email"},
            "label": self.name.removesuffix("__c").replace("_", " "),
            "length": self.length,
            "name": self.name,
            "nameField": self.name == "Name",
            "nillable": not self.required and self.type not in {"boolean", "id"},
            "picklistValues": [
                {"active": True, "defaultValue": value == self.default, "label": value}
                | {"validFor": None, "value": value}
                for value in self.values
            ],
            "precision": self.precision,
            "referenceTo": list(self.refers),
            "relationshipName": self.relation,
            "restrictedPicklist": self.restricted,
            "scale": self.scale,
            "soapType": (SOAP_TYPES | SOAP_TYPES_OF_NUMBERS).get(self.type, "xsd:string"),
            "sortable": self.filterable,
            "type": self.type,
            "unique": self.unique,
            "updateable": self.updateable,
        }


@dataclass(frozen=True, kw_only=True)
class SObject:
    """One object: a table with a key prefix."""

    name: str
    prefix: str
    fields: Mapping[str, Field]
    createable: bool = True

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Map the names in lower case to the names: the vendor does not look at their case."""
        return {name.lower(): name for name in self.fields}

    @cached_property
    def relations(self) -> Mapping[str, Field]:
        """Map the names of parents (`account`) in lower case to the fields that lead there."""
        return {field.relation.lower(): field for field in self.fields.values() if field.relation}

    def field(self, name: str) -> Field | None:
        """Return the field of this name, whatever its case."""
        found = self.names.get(name.lower())
        return None if found is None else self.fields[found]

    def summary(self, version: str) -> dict[str, Any]:
        """Return the object as the list of all objects shows it."""
        root = f"/services/data/v{version}/sobjects/{self.name}"
        return {
            "createable": self.createable,
            "custom": self.name.endswith("__c"),
            "deletable": True,
            "keyPrefix": self.prefix,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "name": self.name,
            "queryable": True,
            "replicateable": True,
            "retrieveable": True,
            "updateable": True,
            "urls": {
                "sobject": root,
                "describe": f"{root}/describe",
                "rowTemplate": root + "/{ID}",
            },
        }


def text(name: str, length: int, **more: Any) -> Field:  # noqa: ANN401 - a field's own
    """Return a line of text."""
    return Field(name=name, type="string", length=length, **more)


def area(name: str, length: int = 32_000) -> Field:
    """Return text of many lines."""
    return Field(name=name, type="textarea", length=length)


def number(name: str, precision: int, scale: int = 0) -> Field:
    """Return a number of so many digits, `scale` of them behind the point."""
    return Field(name=name, type="double", precision=precision, scale=scale)


def flag(name: str, **more: Any) -> Field:  # noqa: ANN401 - a field's own
    """Return a checkbox, which is never null."""
    return Field(name=name, type="boolean", default=False, **more)


def choice(name: str, *values: str, **more: Any) -> Field:  # noqa: ANN401 - a field's own
    """Return a picklist; an unrestricted one takes other values too, as over the real API."""
    return Field(name=name, type="picklist", length=255, values=values, **more)


def moment(name: str, **more: Any) -> Field:  # noqa: ANN401 - a field's own
    """Return a date and time."""
    return Field(name=name, type="datetime", **more)


def reference(name: str, *refers: str, **more: Any) -> Field:  # noqa: ANN401 - a field's own
    """Return a lookup; its parent is called after it."""
    relation = name.removesuffix("__c") + "__r" if name.endswith("__c") else name.removesuffix("Id")
    return Field(name=name, type="reference", length=18, refers=refers, relation=relation, **more)
