"""A chain that was cut, emptied or made anew as a whole is told by the heads that lie outside its database."""

import json
import os
import socket
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.records.audit import AuditLink, AuditVerification
from mlops_desk.kit.records.audit_words import anchors_sentence, replaced_sentence
from mlops_desk.kit.storage.audit import anchors as module
from mlops_desk.kit.storage.audit.anchors import append_head, gathered, send_head
from mlops_desk.kit.storage.audit.chain import START, Anchor, Verifier, digest_of, following
from mlops_desk.kit.storage.audit.worker import work
from mlops_desk.kit.storage.restore import restore
from mlops_desk.kit.storage.state import State

NOON = 1_764_763_200.0  # 2025-12-03 12:00 UTC


class Rig:
    """A data folder whose audit has eight records: each of four changes began, and ended but the last."""

    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.path = self.folder.state_database
        with closing(State(self.path)) as state:
            for number in range(1, 5):
                self.write(state, number, AuditState.BEGAN)
                self.write(state, number, AuditState.ENDED)
            self.links = state.audit.links_behind(0, 100)

    @staticmethod
    def write(state: State, number: int, done: AuditState) -> None:
        outcome = None if done is AuditState.BEGAN else '{"ok": true}'
        state.audit.put(
            AuditEntry(float(number), 1000, "ana", "jobs.submit", "{}", outcome, None, f"e{number}", state=done)
        )

    def anchor(self, *numbers: int, at: float = NOON) -> None:
        for number in numbers:
            append_head(self.folder.audit_heads, Anchor(number, self.links[number - 1].digest, at, ""))

    def edit(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement

    def write_anew(self, begin: int, end: int) -> None:
        """Make a chain of another user's doing from a record on, with digests that follow on one another."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            digest = START if begin == 1 else self.links[begin - 2].digest
            for link in self.links[begin - 1 : end]:
                text = link.text.replace("ana", "bob")
                fresh = following(link.number - 1, digest, link.entry, text)
                digest = fresh.digest
                told = (json.dumps(wire.to_builtins(fresh)), link.number)
                connection.execute("UPDATE audit_chain SET document = ? WHERE created_at = ?", told)
                connection.execute("UPDATE audit SET document = ? WHERE key = ?", (text, link.entry))

    def verified(self, **more: object) -> AuditVerification:
        request = {"database": str(self.path), "head": None, "heads": str(self.folder.audit_heads), **more}
        return wire.from_builtins(work(request), AuditVerification)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def edited(rig: Rig) -> None:
    rig.edit("UPDATE audit SET document = json_set(document, '$.user', 'bob') WHERE key = 'e2'")


def deleted(rig: Rig) -> None:
    rig.edit("DELETE FROM audit_chain WHERE created_at = 6")


def swapped(rig: Rig) -> None:
    keys = ("000000000003", "000000000005", "x")
    for old, new in ((keys[0], keys[2]), (keys[1], keys[0]), (keys[2], keys[1])):
        rig.edit(f"UPDATE audit_chain SET key = '{new}' WHERE key = '{old}'")


def emptied(rig: Rig) -> None:
    rig.edit("DELETE FROM audit_chain", "DELETE FROM audit")


def cut(rig: Rig) -> None:
    rig.edit("DELETE FROM audit_chain WHERE created_at > 6", "DELETE FROM audit WHERE key = 'e4'")


def written_anew(rig: Rig) -> None:
    rig.write_anew(1, 8)


def written_anew_from_three_on(rig: Rig) -> None:
    rig.write_anew(3, 8)


TAMPERINGS: list[tuple[tuple[Callable[[Rig], None], ...], int, int, int | None]] = [
    ((edited,), 4, 4, 4),
    ((deleted,), 6, 6, 6),
    ((swapped,), 3, 3, 3),
    ((emptied,), 1, 1, None),
    ((cut,), 7, 7, None),
    ((written_anew,), 1, 4, None),
    ((written_anew_from_three_on,), 3, 4, None),
    ((edited, deleted), 4, 4, 4),
    ((edited, cut), 4, 4, 4),
    ((deleted, cut), 6, 6, 5),  # the entry of record 5 has ended, and no record says how
    ((swapped, edited, cut), 3, 3, 3),
    ((written_anew_from_three_on, cut), 3, 4, None),
    ((written_anew, deleted), 1, 4, 6),
]
"""What is done; the first record that it changes, the first that heads of 4 and 8 tell, and that which none tells."""


@pytest.mark.parametrize(("tamperings", "changed", "told", "alone"), TAMPERINGS)
@pytest.mark.parametrize("where", ["folder", "pack", "journal", "none"])
def test_each_tampering_is_told_with_its_first_record_by_whatever_heads_there_are(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tamperings: Sequence[Callable[[Rig], None]],
    changed: int, told: int, alone: int | None, where: str,
) -> None:  # fmt: skip
    more: dict[str, object] = {}
    if where == "folder":
        rig.anchor(4, 8)
    elif where == "pack":
        more["anchors"] = [f"{number}:{rig.links[number - 1].digest}@{NOON}" for number in (4, 8)]
    elif where == "journal":
        lines = [journal_line(Anchor(number, rig.links[number - 1].digest, NOON, "")) for number in (4, 8)]
        journal(monkeypatch, tmp_path, lines)
        more["instance"] = rig.folder.instance
    assert rig.verified(**more).intact
    for tamper in tamperings:
        tamper(rig)
    found = rig.verified(**more)
    expected = alone if where == "none" else told
    assert (found.intact, found.first_bad) == (expected is None, expected), found.why
    if where != "none":
        assert found.vouched < changed <= told
        assert [(one.heads, one.newest, one.at) for one in found.anchors] == [(2, 8, NOON)]
    else:
        assert (found.anchors, found.vouched) == ((), 0)
        assert anchors_sentence(found).startswith("No head of it was found outside the database")


def chain(texts: Sequence[str]) -> list[AuditLink]:
    links: list[AuditLink] = []
    for text in texts:
        links.append(following(len(links), links[-1].digest if links else START, f"e{text}", text))
    return links


LENGTH = 8
ACTS = st.lists(
    st.tuples(st.sampled_from(["edit", "delete", "swap", "anew", "cut", "empty"]), st.integers(0, LENGTH - 1)),
    max_size=3,
)


@given(ACTS, st.sets(st.integers(1, LENGTH)))
@example([("edit", 1), ("delete", 5)], {8})
@example([("anew", 0)], {4})
@example([("anew", 2), ("cut", 5)], {3, 8})
@example([("empty", 0)], {1})
@example([("cut", 6)], {6})
def test_what_heads_tell_of_a_chain_is_what_a_plain_look_tells(acts: list[tuple[str, int]], anchored: set[int]) -> None:
    links = chain([str(number) for number in range(LENGTH)])
    truth, stands = {link.number: link.digest for link in links}, list(links)
    for act, place in acts:
        if act == "empty" or place >= len(stands):
            stands = [] if act == "empty" else stands
        elif act == "edit":
            stands[place] = replace(stands[place], text=stands[place].text + "!")
        elif act == "delete":
            del stands[place]
        elif act == "swap":
            stands[place], stands[-1] = stands[-1], stands[place]
        elif act == "cut":
            del stands[place:]
        else:
            for at in range(place, len(stands)):
                before = stands[at - 1].digest if at else START
                stands[at] = following(at, before, stands[at].entry, stands[at].text + "?")
    verifier = Verifier(anchors=[Anchor(number, truth[number], NOON, "a place") for number in anchored])
    verifier.take_all(stands)
    found = verifier.told()

    def holds(at: int) -> bool:
        link, before = stands[at], stands[at - 1].digest if at else START
        follows = (link.number, link.digest) == (at + 1, digest_of(before, at + 1, link.entry, link.text))
        return follows and (link.number not in anchored or link.digest == truth[link.number])

    wrong = [at + 1 for at in range(len(stands)) if not holds(at)]
    missing = [len(stands) + 1] if not wrong and max(anchored, default=0) > len(stands) else []
    assert found.intact is not bool(wrong or missing)
    if wrong or missing:
        changed = next((at for at in range(LENGTH) if stands[at : at + 1] != links[at : at + 1]), LENGTH) + 1
        assert found.first_bad == (wrong or missing)[0]
        assert found.vouched < changed <= found.first_bad
    elif anchored:
        assert stands[: max(anchored)] == links[: max(anchored)], "whatever lies before the newest head is as it was"


def test_heads_that_are_older_than_the_newest_records_and_a_journal_that_forgets_raise_no_alarm(rig: Rig) -> None:
    rig.anchor(2)
    with closing(State(rig.path)) as state:
        rig.write(state, 5, AuditState.ENDED)
    found = rig.verified()
    assert (found.records, found.intact, found.vouched) == (9, True, 2)
    assert anchors_sentence(found) == (
        f"It was held against 1 head in the folder {rig.folder.audit_heads}, the newest that of record 2 of "
        "2025-12-03 12:00 UTC. Records up to 2 are those that were anchored."
    )


def test_a_backup_that_was_put_back_is_told_as_that_and_what_was_anchored_after_it_still_counts(rig: Rig) -> None:
    with closing(State(rig.path)) as state:
        made = state.backup("hourly")
        rig.write(state, 5, AuditState.ENDED)
        rig.links = state.audit.links_behind(0, 100)
    rig.anchor(8, 9)
    assert restore(rig.folder, made.name)["restored"] == made.name
    found = rig.verified()
    (replaced,) = found.replaced
    assert (found.intact, found.records, found.vouched) == (True, 8, 8)
    assert (replaced.by, replaced.record, replaced.gone) == (f"the backup {made.name}", 8, 9)
    assert f"the backup {made.name} took the database's place, up to record 8. Records 9 to 9" in replaced_sentence(
        found
    )
    with closing(State(rig.path)) as state:
        rig.write(state, 6, AuditState.ENDED)
        rig.write(state, 7, AuditState.ENDED)
        rig.links = state.audit.links_behind(0, 100)
    rig.anchor(10, at=replaced.at + 1)
    assert rig.verified().intact
    rig.edit("DELETE FROM audit_chain WHERE created_at > 9", "DELETE FROM audit WHERE key = 'e7'")
    assert (rig.verified().intact, rig.verified().first_bad) == (False, 10)


def test_an_older_copy_that_nobody_restored_is_told(rig: Rig) -> None:
    old = rig.path.read_bytes()
    with closing(State(rig.path)) as state:
        rig.write(state, 5, AuditState.ENDED)
        rig.links = state.audit.links_behind(0, 100)
    rig.anchor(9)
    rig.path.write_bytes(old)
    found = rig.verified()
    assert (found.intact, found.first_bad, found.replaced) == (False, 9, ())
    assert found.why == (
        f"Record 9 is missing from its end: the head of record 9 is in the folder {rig.folder.audit_heads}, of "
        "2025-12-03 12:00 UTC. They were cut, or this is an older copy."
    )


def test_how_a_change_ended_is_not_called_an_edit_where_the_record_of_it_is_what_was_taken_away(rig: Rig) -> None:
    rig.edit("DELETE FROM audit_chain WHERE created_at IN (4, 7)")
    assert (rig.verified().first_bad, rig.verified().why) == (4, "Record 4 is missing: record 5 follows on 3.")
    rig.edit("UPDATE audit SET document = json_set(document, '$.verb', 'models.tag') WHERE key = 'e2'")
    assert rig.verified().first_bad == 3, "what was asked for is told by the record that it began"


@pytest.mark.parametrize("odd", ["{}", "x", "[" * 100_000, '{"record": 1, "head": "a", "at": 1}',
                                 '{"record": true, "head": "HEAD", "at": 1}', '{"record": 1, "head": "HEAD", "at": NaN}'])  # fmt: skip
def test_a_line_that_is_no_head_is_told_and_no_alarm(rig: Rig, odd: str) -> None:
    rig.anchor(8)
    (file,) = rig.folder.audit_heads.iterdir()
    with file.open("a") as stream:
        stream.write(odd.replace("HEAD", "a" * 64))  # torn: without its end of line
    rig.anchor(4)
    found = rig.verified()
    assert (found.intact, found.vouched, found.anchors[0].heads) == (True, 8, 2)
    assert found.anchors[0].trouble == f"Line 2 of {file.name} is no head."


def test_the_folder_of_heads_is_its_owners_and_what_is_no_file_in_it_hangs_nobody(rig: Rig, tmp_path: Path) -> None:
    rig.anchor(8)
    (file,) = rig.folder.audit_heads.iterdir()
    assert (rig.folder.audit_heads.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(OSError, match="is no file"):
        rig.anchor(8)
    assert "is no file" in str(rig.verified().anchors[0].trouble)
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        rig.anchor(8)
    assert not (tmp_path / "elsewhere").exists()


def journal_line(anchor: Anchor) -> str:
    told = {"MLOPS_DESK_RECORD": str(anchor.number), "MLOPS_DESK_HEAD": anchor.digest, "MLOPS_DESK_AT": str(anchor.at)}
    return json.dumps({"__CURSOR": "s=1", **told})


def journal(monkeypatch: pytest.MonkeyPatch, place: Path, lines: Sequence[str]) -> None:
    """Let there be a journal: a socket, and a journalctl that prints the lines."""
    if not (place / "socket").exists():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
            held.bind(str(place / "socket"))
    (place / "lines").write_text("".join(f"{line}\n" for line in lines))
    program = place / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {place}/asked\ncat {place}/lines\n')
    program.chmod(0o700)
    monkeypatch.setattr(module, "JOURNAL_SOCKET", place / "socket")
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")


def test_the_journal_is_asked_for_entries_of_this_user_and_data_folder_and_odd_ones_are_no_heads(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = ["", "[]", '{"MLOPS_DESK_RECORD": "x"}', '{"MLOPS_DESK_RECORD": ["1", "2"]}', '{"MLOPS_DESK_RECORD": null}']
    journal(monkeypatch, tmp_path, [*odd, journal_line(Anchor(3, rig.links[2].digest, NOON, ""))])
    found = rig.verified(instance="0a1b2c3d")
    assert [(one.place, one.heads, one.trouble) for one in found.anchors] == [("the system's journal", 1, None)]
    asked = (tmp_path / "asked").read_text()
    assert f"MLOPS_DESK_INSTANCE=0a1b2c3d _UID={os.getuid()}" in asked
    (tmp_path / "journalctl").write_text("#!/bin/sh\nexit 1\n")
    (told,) = rig.verified(instance="0a1b2c3d").anchors
    assert told.trouble == "It can't be read: its reader ended with 1."
    assert "Of the system's journal: It can't be read" in anchors_sentence(rig.verified(instance="0a1b2c3d"))


def test_a_head_goes_to_the_journal_as_one_datagram_and_never_waits(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    anchor = Anchor(3, "a" * 64, NOON, "", "the backup x\nMESSAGE=forged")
    assert send_head("0a1b2c3d", anchor, path) is False, "there is no journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        assert send_head("0a1b2c3d", anchor, path) is True
        lines = listener.recv(65536).decode().splitlines()
        told = dict(line.split("=", 1) for line in lines)
        assert len(told) == len(lines)
        assert told["MESSAGE"] == f"MLOps Desk: the audit has 3 records, its head is {'a' * 64}."
        assert (told["MLOPS_DESK_INSTANCE"], told["MLOPS_DESK_RECORD"]) == ("0a1b2c3d", "3")
        with pytest.raises(BlockingIOError):
            for _ in range(100_000):  # nobody reads: the socket is full soon
                send_head("0a1b2c3d", anchor, path)


def test_what_is_no_head_of_a_pack_is_refused() -> None:
    for text in ("", "1", f"x:{'a' * 64}", f"1:{'A' * 64}", f"1:{'a' * 64}@x"):
        with pytest.raises(Invalid, match="is no head of a record"):
            gathered(None, None, [text])
