"""What is written of the audit in a real database is a chain, and an edit of the file by whatever hand is found."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.records.audit import AuditLink, AuditVerification
from mlops_desk.kit.storage.audit import worker
from mlops_desk.kit.storage.audit.table import AuditSearch
from mlops_desk.kit.storage.audit.worker import verify, work
from mlops_desk.kit.storage.state import State
from tests.unit.kit.storage.test_migrations import make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    state = State(path)
    yield state
    state.close()


def entry(number: int, **more: object) -> AuditEntry:
    told = {"uid": 1000, "user": "ana", "verb": "jobs.submit", "arguments": f'{{"n": {number}}}', "id": f"e{number}"}
    return AuditEntry(**{"at": float(number), **told, **more})  # type: ignore[arg-type]  # whatever a test names


def written(state: State, count: int = 4) -> None:
    """Write some entries that begin, and end all but the last."""
    for number in range(1, count + 1):
        state.audit.put(entry(number, state=AuditState.BEGAN))
        if number < count:
            state.audit.put(entry(number, outcome='{"ok": true}'))


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


def test_each_writing_is_a_link_and_all_hold(state: State, path: Path) -> None:
    written(state)
    links = state.audit.links_behind(0, 100)
    assert [(link.number, link.entry) for link in links] == [
        (1, "e1"), (2, "e1"), (3, "e2"), (4, "e2"), (5, "e3"), (6, "e3"), (7, "e4"),
    ]  # fmt: skip
    assert json.loads(links[1].text) == wire.to_builtins(entry(1, outcome='{"ok": true}'))
    assert [link.number for link in state.audit.links_behind(5, 1)] == [6]
    found = verify(path, None)
    assert found == AuditVerification(7, intact=True, head=links[-1].digest)
    assert verify(path, links[2].digest).holds_head is True


@pytest.mark.parametrize(
    ("statement", "number", "why"),
    [
        ("UPDATE audit SET document = json_set(document, '$.user', 'bo') WHERE key = 'e2'", 4, "entry of record 4 was changed"),
        ("UPDATE audit_chain SET document = json_set(document, '$.text', '{}') WHERE created_at = 3", 3, "Record 3 was changed"),
        ("DELETE FROM audit_chain WHERE created_at = 2", 2, "Record 2 is missing"),
        ("UPDATE audit_chain SET parent = 'e1' WHERE created_at = 3", 3, "no record of the audit"),
        ("UPDATE audit_chain SET document = 'rubbish' WHERE created_at = 5", 5, "no record of the audit"),
        ("DELETE FROM audit WHERE key = 'e3'", 5, "entry of record 5 was taken away"),
        ("UPDATE audit SET parent = 'models.tag' WHERE key = 'e2'", 4, "under another verb, time or state"),
        ("UPDATE audit SET created_at = 99 WHERE key = 'e2'", 4, "under another verb, time or state"),
        ("UPDATE audit SET state = 'began' WHERE key = 'e2'", 4, "under another verb, time or state"),
        ("UPDATE audit SET state = '' WHERE key = 'e4'", 7, "under another verb, time or state"),
        ("UPDATE audit SET document = json(document), state = '' WHERE key = 'e4'", 7, "under another verb, time or state"),
        ("UPDATE audit SET state = CAST(state AS BLOB) WHERE key = 'e2'", 4, "under another verb, time or state"),
        ("UPDATE audit SET document = CAST(x'7bff' AS TEXT) WHERE key = 'e2'", 4, "entry of record 4 was changed"),
        ("UPDATE audit SET document = '{\"user\": \"bo\", ' || substr(document, 2) WHERE key = 'e2'", 4, "entry of record 4 was changed"),
        ("UPDATE audit SET document = json_set(document, '$.uid', 1000.0) WHERE key = 'e2'", 4, "entry of record 4 was changed"),
        ("UPDATE audit_chain SET created_at = 2.5 WHERE created_at = 3", 3, "no record of the audit"),
        ("UPDATE audit_chain SET state = 'x' WHERE created_at = 3", 3, "no record of the audit"),
        ("UPDATE audit_chain SET document = '{\"text\": \"{}\", ' || substr(document, 2) WHERE created_at = 4", 4, "no record of the audit"),
        ("INSERT INTO audit SELECT 'e9', state, parent, created_at, document FROM audit WHERE key = 'e1'", None, "never wrote it"),
    ],
)  # fmt: skip
def test_an_edit_is_found_and_the_first_record_named(
    state: State, path: Path, statement: str, number: int | None, why: str
) -> None:
    written(state)
    state.close()
    edit(path, statement)
    found = verify(path, None)
    assert (found.intact, found.first_bad) == (False, number)
    assert why in str(found.why)


def test_what_is_cut_from_both_ends_of_both_tables_is_told_by_a_head(state: State, path: Path) -> None:
    written(state)
    head = state.audit.links_behind(0, 100)[-1].digest
    state.close()
    edit(path, "DELETE FROM audit_chain WHERE parent = 'e4'", "DELETE FROM audit WHERE key = 'e4'")
    assert verify(path, None).intact
    assert (verify(path, head).intact, verify(path, head).holds_head) == (False, False)


def test_what_was_cut_while_an_agent_runs_is_missed_without_a_head(state: State, path: Path) -> None:
    assert state.audit.end is None
    written(state)
    end = state.audit.end
    assert end == state.audit.links_behind(0, 100)[-1].digest
    state.audit.put(entry(5))
    assert verify(path, None, end).intact, "it goes on writing"
    end = state.audit.end
    edit(path, "DELETE FROM audit_chain WHERE parent IN ('e4', 'e5')", "DELETE FROM audit WHERE key IN ('e4', 'e5')")
    for _ in range(2):
        found = verify(path, None, state.audit.end)
        assert (found.intact, found.first_bad, found.holds_head) == (False, None, None)
        assert "records were cut from its end" in str(found.why)
        state.audit.put(entry(6))
    assert state.audit.end == end, "what is written later does not hide it"


def test_an_entry_that_can_not_be_written_leaves_no_link(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(state, 1)

    def refuses(*_: object) -> None:
        raise Unavailable("No space left on device.")

    monkeypatch.setattr(state.audit.links, "insert", refuses)
    with pytest.raises(Unavailable):
        state.audit.put(entry(2))
    monkeypatch.undo()
    assert [one.id for one in state.audit.list()] == ["e1"]
    assert state.audit.end == state.audit.links_behind(0, 9)[-1].digest, "none was written since"
    state.audit.put(entry(3))
    assert verify(path, None) == AuditVerification(2, intact=True, head=state.audit.links_behind(1, 9)[0].digest)


def test_after_a_last_record_that_is_damaged_changes_are_written_on_and_it_is_named(state: State, path: Path) -> None:
    written(state)
    edit(path, "UPDATE audit_chain SET document = x'ff00' WHERE created_at = 7")
    edit(path, "INSERT INTO audit_chain VALUES ('zzz', '', 'e1', 99, '{}')")
    state.audit.put(entry(8))
    state.audit.put(entry(9))
    found = verify(path, None)
    assert (found.records, found.intact, found.first_bad) == (10, False, 7)
    assert [link.number for link in state.audit.links_behind(7, 10)] == [8, 9]


def test_another_agent_goes_on_with_the_chain(state: State, path: Path) -> None:
    written(state)
    state.close()
    later = State(path)
    later.audit.put(entry(9))
    later.close()
    assert (verify(path, None).records, verify(path, None).intact) == (8, True)


SEARCHES: list[tuple[AuditSearch, list[str]]] = [
    (AuditSearch(), ["e4", "e3", "e2", "e1"]),
    (AuditSearch(since=2.0, until=3.0), ["e3", "e2"]),
    (AuditSearch(user="bo"), ["e3"]),
    (AuditSearch(verb="jobs"), ["e2", "e1"]),
    (AuditSearch(verb="jobs.cancel"), ["e2"]),
    (AuditSearch(verb="job"), []),
    (AuditSearch(verb="j%"), []),
    (AuditSearch(failed=True), ["e2"]),
    (AuditSearch(text="GRÜN"), ["e4"]),
    (AuditSearch(text='say "hi"'), ["e3"]),
    (AuditSearch(text="%"), []),
]


@pytest.mark.parametrize(("wanted", "found"), SEARCHES)
def test_entries_are_found(state: State, wanted: AuditSearch, found: list[str]) -> None:
    state.audit.put(entry(1))
    state.audit.put(entry(2, verb="jobs.cancel", error="There is no job x."))
    state.audit.put(entry(3, user="bo", verb="models.tag", arguments=json.dumps({"value": 'say "hi"'})))
    state.audit.put(entry(4, verb="models.tag", arguments="GRÜN"))
    assert [one.id for one in state.audit.search(wanted, 10)] == found
    assert [one.id for one in state.audit.search(wanted, 1)] == found[:1]


@pytest.fixture
def exported(tmp_path: Path, state: State) -> Callable[[], Path]:
    def make() -> Path:
        written(state)
        links = state.audit.links_behind(0, 100)
        lines = [json.dumps({"form": "mlops-desk-audit/1"}), *(wire.dumps(link) for link in links)]
        out = tmp_path / "audit.jsonl"
        out.write_text("\n".join([*lines, json.dumps({"head": links[-1].digest, "records": 7})]) + "\n")
        return out

    return make


def looked_at(path: Path, head: str | None = None) -> AuditVerification:
    return wire.from_builtins(work({"exported": str(path), "head": head}), AuditVerification)


def test_an_export_holds_by_itself(exported: Callable[[], Path]) -> None:
    out = exported()
    assert (looked_at(out).records, looked_at(out).intact) == (7, True)
    out.write_text(out.read_text().replace("ana", "bob", 1))
    assert (looked_at(out).intact, looked_at(out).first_bad) == (False, 1)


def test_an_export_that_was_cut_or_is_none_is_told(exported: Callable[[], Path], tmp_path: Path) -> None:
    out = exported()
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:-1]))
    with pytest.raises(Invalid, match="ends in line 9, before the last"):
        looked_at(out)
    other = tmp_path / "other.jsonl"
    other.write_text("{}\n")
    with pytest.raises(Invalid, match="is no exported audit"):
        looked_at(other)
    with pytest.raises(Unavailable, match="can't be read: No such file"):
        looked_at(tmp_path / "none")


@pytest.mark.parametrize("last", ['{"head": HEAD, "records": 7}', '{"head": "0", "records": 5}', '{"head": HEAD5}'])
def test_records_that_were_cut_from_an_export_are_missed_though_its_last_line_is_there(
    exported: Callable[[], Path], last: str
) -> None:
    out = exported()
    lines = out.read_text().splitlines()
    heads = [json.loads(line)["digest"] for line in lines[1:-1]]
    out.write_text(
        "\n".join([*lines[:6], last.replace("HEAD5", json.dumps(heads[4])).replace("HEAD", json.dumps(heads[6]))])
        + "\n"
    )
    found = looked_at(out)
    assert (found.records, found.intact, found.first_bad) == (5, False, None)
    assert "Its last line tells of another end" in str(found.why)


def test_what_stands_behind_the_last_line_of_an_export_is_told(exported: Callable[[], Path]) -> None:
    out = exported()
    out.write_text(out.read_text() + out.read_text().splitlines()[-2] + "\n")
    assert (looked_at(out).intact, looked_at(out).why) == (False, "Something stands behind its last line.")


def test_an_export_of_nothing_holds(tmp_path: Path) -> None:
    out = tmp_path / "audit.jsonl"
    out.write_text('{"form": "mlops-desk-audit/1"}\n{"head": null, "records": 0}\n')
    assert (looked_at(out).records, looked_at(out).intact) == (0, True)


def test_a_database_that_is_none_is_told(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match="can't be read"):
        verify(path, None)


def test_what_older_programs_wrote_is_taken_up_as_it_is_found(path: Path) -> None:
    make(path, "state", "s0009")
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in (2, 1):
            row = (f"e{number}", "", "jobs.submit", float(number), json.dumps(wire.to_builtins(entry(number))))
            connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
    state = State(path)
    state.audit.put(entry(3))
    links: list[AuditLink] = state.audit.links_behind(0, 9)
    state.close()
    assert [link.entry for link in links] == ["e1", "e2", "e3"]
    assert (verify(path, None).records, verify(path, None).intact) == (3, True)


def test_a_look_says_how_much_it_has_looked_at(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(state)
    monkeypatch.setattr(worker, "_TELL_EVERY", 3)
    verify(path, None)
    assert capsys.readouterr().err.splitlines() == [
        "records 0 7", "records 3 7", "records 6 7",
    ]  # fmt: skip
    edit(path, "UPDATE audit SET document = json(document)")  # now each is read, not held letter by letter
    assert verify(path, None).intact
    assert capsys.readouterr().err.splitlines()[3:] == ["entries 0 4", "entries 3 4"]
