"""Small pages are kept together, without losing what their order says."""

import threading
from collections.abc import Iterator

import pytest

from connectors.errors import Unavailable
from connectors.ports import Contact, Page
from loop.gathered import RECORDS, gathered


def page(*ids: str, title: str = "", **more: object) -> Page[Contact]:
    records = [Contact(id=contact_id, title=title) for contact_id in ids]
    return Page(records=records, **more)  # type: ignore[arg-type]


def test_small_pages_become_one() -> None:
    [made] = gathered([page("c1"), page("c2", watermark="w2"), page()], threading.Event())

    assert [contact.id for contact in made.records] == ["c1", "c2"]
    assert made.watermark == "w2"


def test_of_a_record_that_comes_twice_the_newest_counts() -> None:
    [made] = gathered([page("c1", title="old"), page("c1", title="new")], threading.Event())

    assert [contact.title for contact in made.records] == ["new"]


def test_a_full_page_does_not_wait_for_more() -> None:
    def pages() -> Iterator[Page[Contact]]:
        yield page(*map(str, range(RECORDS)))
        pytest.fail("it asked for the next page")

    assert len(next(gathered(pages(), threading.Event())).records) == RECORDS


def test_what_is_gone_keeps_its_place() -> None:
    """Ann was deleted and restored: told in another order, she would be gone for good."""
    pages = [page("c1"), page(gone=["c2"]), page("c2"), page("c3")]

    made = list(gathered(pages, threading.Event()))

    assert [list(each.gone) for each in made] == [[], ["c2"], []]
    assert [contact.id for contact in made[2].records] == ["c2", "c3"]


def test_what_came_in_before_an_outage_is_given_first() -> None:
    def pages() -> Iterator[Page[Contact]]:
        yield page("c1")
        raise Unavailable("memory_crm", "it is down")

    made = gathered(pages(), threading.Event())

    assert [contact.id for contact in next(made).records] == ["c1"]
    with pytest.raises(Unavailable, match="down"):
        next(made)


def test_all_is_given_at_once_when_the_program_is_to_end() -> None:
    stopping = threading.Event()
    stopping.set()

    assert len(list(gathered([page("c1"), page("c2")], stopping))) == 2
