"""People can look at the sandbox's records, and nothing in them can run."""

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from connectors.sandbox.hubspot import PORTAL, HubSpotSandbox
from connectors.sandbox.server import running

RECORD = f"/contacts/{PORTAL}/record"
EVIL = "<script>alert('x')</script> & O'Neill"
BODY = "line<br>two &lt;i&gt;<script>alert('y')</script>"


def test_the_pages_show_texts_and_run_none() -> None:
    state = (sandbox := HubSpotSandbox()).state
    acme = state.add("companies", {"name": EVIL})
    own = {"lastname": EVIL, "nps_score": "9", "nps_comment": EVIL}
    ann = state.add("contacts", own, [("companies", acme)])
    task = {"hs_task_subject": EVIL, "hs_task_body": BODY, "hs_timestamp": "2026-11-04"}
    task_id = state.add("tasks", task, [("contacts", ann)])
    state.add("notes", {"hs_note_body": BODY}, [("contacts", ann)])
    records = [f"{RECORD}/{path}" for path in (f"0-1/{ann}", f"0-2/{acme}", f"0-27/{task_id}")]

    with running(sandbox.application) as url:
        pages = [urlopen(url + path).read().decode() for path in ("/", "/tasks", *records)]

    assert not [page for page in pages if "<script" in page]
    assert all("&lt;script&gt;alert(&#x27;x&#x27;)" in page for page in pages)
    assert "line\ntwo &lt;i&gt;" in pages[-1]


@pytest.mark.parametrize("path", [f"{RECORD}/0-1/1", f"{RECORD}/0-99/1"])
def test_a_record_that_is_not_there_is_said_to_be_so(path: str) -> None:
    with running(HubSpotSandbox().application) as url, pytest.raises(HTTPError, match="404"):
        urlopen(url + path)


def test_an_empty_account_has_pages_too() -> None:
    with running(HubSpotSandbox().application) as url:
        pages = [urlopen(url + path).read().decode() for path in ("/", "/tasks")]

    assert "<b>0</b> contacts" in pages[0]
    assert "There are none yet." in pages[1]
