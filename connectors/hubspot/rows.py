"""Records as HubSpot sends them, read straight from the bytes into structs made to measure.

Their fields are the properties that the settings name, so the parser skips everything else.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from connectors.hubspot.shapes import Associations, Listed

MERGED: Final = "hs_merged_object_ids"
Properties = TypeVar("Properties", bound=Any)


class Row(Struct, Generic[Properties]):
    """A record with the properties that were asked for."""

    id: str
    properties: Properties
    associations: Associations = field(default_factory=Associations)

    @property
    def stamp(self) -> str | None:
        """When it changed, as HubSpot writes it."""
        stamp: str | None = self.properties.stamp
        return stamp

    @property
    def losers(self) -> Sequence[str]:
        """The ids of the records that were merged into this one."""
        merged: str | None = self.properties.merged
        return merged.split(";") if merged else ()


class Kind:
    """How the records of one type are asked for and read.

    `wanted` are the properties by names of ours. One may be empty: it is never sent. Two may be
    the same. `stamp` is the property that holds the time of the last change.
    """

    def __init__(self, type_: str, stamp: str, wanted: Mapping[str, str]) -> None:
        self.type = type_
        self.stamp = stamp
        ours: dict[str, str] = {stamp: "stamp", MERGED: "merged"}
        for name, property_ in wanted.items():
            ours.setdefault(property_, name)
        properties = msgspec.defstruct(
            "Properties",
            [(name, str | None, None) for name in ours.values()],
            rename={name: property_ for property_, name in ours.items()},
            gc=False,
        )
        self.properties = [property_ for property_ in ours if property_]
        self.decoder: msgspec.json.Decoder[Listed[Row[Any]]] = msgspec.json.Decoder(
            Listed[Row[properties]]  # type: ignore[valid-type]  # made to measure
        )
        self.values: Callable[[Any], tuple[str | None, ...]] = attrgetter(
            *(ours[property_] for property_ in wanted.values())
        )
        """Gives the wanted values of a row's properties, in the order of `wanted`."""
