"""What other users' desks need of the machine's images: whose word counts, for how long, and what it gives away."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.gpus.leases.folders import PREFIX, LeaseFolders
from mlops_desk.gpus.leases.shared_mailbox import image_service
from mlops_desk.gpus.leases.shared_mailbox.image_service import (
    ImageNeedDesk,
    ImageNeedPaper,
    makes_sense,
    needed,
    paper,
)
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper
from mlops_desk.kit.base.errors import Unavailable

NOW = 1_000_000.0
DAY = 86_400.0
SALT = "0123456789abcdef"
ID = "sha256:" + "a" * 64
NAMES = {ID: ("team/trainer:1",), "sha256:b": ("python:3.12",)}


def word(said, uid=1001, id_="deskb00", at=NOW - 60):
    return Paper(id_, uid, said, int(at * 1e9))


def found(*papers, now=NOW, uid=1000):
    return {image: {user for user, _ in users} for image, users in needed(papers, NAMES, now, "deska", uid).items()}


@pytest.mark.parametrize("name", [ID, "team/trainer:1"])
def test_an_image_is_needed_by_its_id_or_by_its_name(name):
    assert found(word(paper(SALT, [name]))) == {ID: {1001}}
    assert found(word(paper(SALT, [f"{name}x", "trainer:1"]))) == {}


def test_each_user_is_named_once_and_who_needs_nothing_not():
    both = [word(paper(salt, [ID]), uid=uid, id_=f"desk{salt[:2]}") for salt in (SALT, SALT[::-1]) for uid in (7, 8)]
    assert found(*both, word(paper(SALT, []), uid=9)) == {ID: {7, 8}}


def test_our_own_word_is_no_neighbours_but_that_of_our_users_other_desk_is():
    said = paper(SALT, [ID])
    assert found(word(said, uid=1000, id_="deska00")) == {}
    assert found(word(said, uid=1000, id_="deskb00")) == {ID: {1000}}
    assert found(word(said, uid=1001, id_="deska00")) == {ID: {1001}}, "another user may call theirs so"


def test_a_word_lasts_two_weeks():
    assert found(word(paper(SALT, [ID]), at=NOW - 14 * DAY + 1)) == {ID: {1001}}
    assert found(word(paper(SALT, [ID]), at=NOW - 14 * DAY - 1)) == {}


@pytest.mark.parametrize(
    ("salt", "words"),
    [
        ("", "a" * 12),
        ("../../../etc/xx", ""),
        (SALT, "a" * 13),
        (SALT, "A" * 12),
        (SALT, "a" * 12 * 301),
        (SALT + "\n", ""),
    ],
)
def test_what_no_agent_would_write_is_not_there(salt, words):
    assert not makes_sense(ImageNeedPaper(salt, words))


@given(st.text(max_size=40), st.text(max_size=60))
@example(SALT, "ä" * 12)
def test_any_text_is_read(salt, words):
    needed([word(ImageNeedPaper(salt, words))], NAMES, NOW, "deska", 1000)


def test_a_paper_shows_no_name_and_the_same_image_twice_differently(desks):
    desks("ada").tell(["team/secret-project:1", ID])
    written = b"".join(path.read_bytes() for path in desks.folder.rglob("*.images"))
    assert b"secret" not in written
    assert b"aaaaaaaaaaaa" not in written
    first, again = paper(SALT, [ID]), paper(SALT[::-1], [ID])
    assert first.words != again.words


class Desks:
    """Desks of one user, which stand for those of several: the instance tells them apart."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "shared").mkdir()

    def __call__(self, name):
        return ImageNeedDesk(LeaseFolders((self.folder / "shared",)), name, self.folder / f"kept-{name}")


@pytest.fixture
def desks(tmp_path):
    return Desks(tmp_path)


def test_three_desks_hear_of_one_another_and_a_word_is_taken_back(desks):
    ada, bob, eve = map(desks, ("ada", "bob", "eve"))
    ada.tell([ID])
    bob.tell([ID, "python:3.12"])
    eve.tell([])
    assert {image: len(users) for image, users in eve.needed(NAMES).items()} == {ID: 1, "sha256:b": 1}
    assert set(ada.needed(NAMES)) == {ID, "sha256:b"}
    assert set(bob.needed(NAMES)) == {ID}
    bob.tell(["python:3.12"])
    assert set(ada.needed(NAMES)) == {"sha256:b"}
    bob.tell([])
    assert ada.needed(NAMES) == {}


def test_more_than_fits_on_a_page_takes_several_and_leaves_none_behind(desks):
    ada, bob = desks("ada"), desks("bob")
    ada.tell([f"team/a:{number}" for number in range(700)])
    assert len(list(desks.folder.glob("shared/*/ada*.images"))) == 3
    wanted = {f"sha256:{number}": (f"team/a:{number}",) for number in (0, 299, 300, 699)}
    assert set(bob.needed(wanted)) == set(wanted)
    ada.tell(["team/a:0"])
    assert len(list(desks.folder.glob("shared/*/ada*.images"))) == 1
    ada.tell(f"team/a:{number}" for number in range(100_000))
    assert len(list(desks.folder.glob("shared/*/ada*.images"))) == 16


def test_nothing_is_written_without_news_and_what_is_gone_is_told_again(desks, monkeypatch):
    ada = desks("ada")
    ada.tell([ID])
    (file,) = desks.folder.glob("shared/*/ada*.images")
    before = file.read_bytes()
    ada.tell([ID])
    assert file.read_bytes() == before, "a new one had a new salt"
    file.unlink()
    ada.tell([ID])
    assert file.exists()
    monkeypatch.setattr(image_service, "_RENEWED_SECONDS", -1.0)
    ada.tell(["python:3.12"])
    before = file.read_bytes()
    ada.tell(["python:3.12"])
    assert file.read_bytes() != before, "an old one is written anew, so that it lasts"


def test_a_folder_that_can_not_be_written_is_tried_again(desks, monkeypatch, caplog):
    ada, bob = desks("ada"), desks("bob")
    write = ada._papers.write

    def full(_id, _said):
        raise Unavailable("no room")

    monkeypatch.setattr(ada._papers, "write", full)
    ada.tell([ID])
    assert "no room" in caplog.text
    monkeypatch.setattr(ada._papers, "write", write)
    ada.tell([ID])
    assert set(bob.needed(NAMES)) == {ID}


def test_hostile_files_are_passed_over(desks):
    desks("ada").tell([ID])
    (own,) = desks.folder.glob(f"shared/{PREFIX}{os.geteuid()}*")
    (own / "evil00.images").write_text('{"salt": ["x"], "words": 5}')
    (own / "evil01.images").write_bytes(b"\xff" * 100)
    (own / "evil02.images").write_text("[" * 4000)
    (own / "evil03.images").symlink_to("/etc/passwd")
    os.mkfifo(own / "evil04.images")
    assert set(desks("bob").needed(NAMES)) == {ID}
