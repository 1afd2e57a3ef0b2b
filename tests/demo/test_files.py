"""Files as other programs write them, and what is said of those that cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from loop.cli import app
from loop.demo import columns, files, tables
from loop.demo.files import Files
from loop.demo.habits import Words
from loop.demo.people import HUBSPOT, SALESFORCE
from loop.demo.tables import BadFile

Write = Callable[[str, str | bytes], Path]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["demo", "--once", "--json", *words], prog_name="npsloop")


def test_a_table_is_read_with_whatever_parts_its_cells(write: Write) -> None:
    path = write("a.csv", '\ufeffname;score\r\n"Ann; Dr";7\r\n\r\n"two\nlines";8\r\n')

    table = tables.read(path, "utf-8")

    assert [dict(row.values) for row in table.rows] == [
        {"name": "Ann; Dr", "score": "7"},
        {"name": "two\nlines", "score": "8"},
    ]
    assert [row.place for row in table.rows] == ["a.csv:2", "a.csv:4"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"Email": "ann@acme.example"}]',
        '{"records": [{"Email": "ann@acme.example"}]}',
        '{"results": [{"id": "1", "properties": {"Email": "ann@acme.example"}}]}',
        '{"records": [{"Name": "Acme", "Contacts": {"records": [{"Email": "ann@acme.example"}]}}]}',
        '{"Email": "ann@acme.example"}\n{"Email": "ben@acme.example"}\n',
    ],
)
def test_json_is_read_however_deep_its_records_lie(write: Write, text: str) -> None:
    table = tables.read(write("a.json", text), "utf-8")

    assert table.rows[0].values["Email"] == "ann@acme.example"


def test_half_characters_are_replaced_as_a_browser_does(write: Write) -> None:
    table = tables.read(write("a.json", '[{"comment": "a\\ud800b"}]'), "utf-8")

    assert table.rows[0].values == {"comment": "a\ufffdb"}


@pytest.mark.parametrize(
    "text, crms",
    [
        ('[{"Id": "003dM00001vWOXJQA4", "LastName": "A", "Email": "a@x.example"}]', {SALESFORCE}),
        ('[{"properties": {"hs_object_id": "1", "email": "a@x.example"}}]', {HUBSPOT}),
        (
            '[{"email": "a@x.example", "company": "X"}, {"email": "b@y.example", "company": "Y"}]',
            {SALESFORCE, HUBSPOT},
        ),
    ],
)
def test_contacts_go_into_the_crm_that_they_are_from(
    write: Write, text: str, crms: set[str]
) -> None:
    people, _said = files.contacts(Files(contacts=write("a.json", text)))

    assert {crm for one in people.people for crm in one.crms} == crms


def test_a_score_that_a_spreadsheet_made_a_fraction_is_whole_again(write: Write) -> None:
    path = write("a.csv", "Score,Comments\n7.0,fine\n7.5,\n-1,\n,\n nan ,x\n")

    assert files.answers(Files(answers=path)) == [
        Words("7", "fine"),
        Words("7.5"),
        Words("-1"),
        Words("nan", "x"),
    ]


@pytest.mark.parametrize(
    "name, text, words, said",
    [
        ("a.csv", "", [], "it is empty"),
        ("a.csv", "score,comment\n", [], "it has no rows below its headings"),
        (
            "a.csv",
            "points,why\n1,x\n",
            [],
            "which column is the score? Say --map score=...: points",
        ),
        (
            "a.csv",
            "score,why\n1,x\n",
            ["--map", "comment=whi"],
            "did you mean why? there are score",
        ),
        ("a.csv", "score\n1\n", ["--map", "scor=score"], "--map scor=...: did you mean score?"),
        ("a.csv", "score\n1\n", ["--map", "score"], "write what=column"),
        ("a.csv", b"score,c\n1,a\n2,caf\xe9\n", [], "a.csv:3: this is not utf-8 (byte 0xE9)"),
        ("a.csv", "score\n1\n", ["--encoding", "utf-77"], "--encoding utf-77: no such encoding"),
        ("a.json", '[\n {"score": }\n]', [], "a.json:2:12: Expecting value"),
    ],
)
def test_a_bad_file_is_told_in_one_line(
    write: Write, name: str, text: str | bytes, words: list[str], said: str
) -> None:
    done = run("--answers", str(write(name, text)), *words)

    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run("--contacts", str(tmp_path / "nobody.csv"))

    assert (done.exit_code, done.stdout) == (1, "")
    assert "nobody.csv: No such file or directory" in done.stderr


def test_columns_are_found_whatever_their_case(write: Write) -> None:
    table = tables.read(write("a.csv", "FIRST NAME,E-Mail,Company Name\na,b,c\n"), "utf-8")

    assert columns.find(table, columns.CONTACT, {}) == {
        "first_name": "FIRST NAME",
        "email": "E-Mail",
        "account": "Company Name",
    }


def test_a_column_that_is_needed_is_asked_for(write: Write) -> None:
    table = tables.read(write("a.csv", "Mailbox,Name\na,b\n"), "utf-8")

    with pytest.raises(BadFile, match=r"which column is the email\? Say --map email=\.\.\.: Mailb"):
        columns.find(table, columns.CONTACT, {}, "email")


def test_a_kept_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "npsloop.db").write_bytes(b"mine")

    done = run("--keep", str(tmp_path))

    assert done.exit_code == 1
    assert "name another folder" in done.stderr
    assert (tmp_path / "npsloop.db").read_bytes() == b"mine"
