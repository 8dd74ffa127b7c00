"""A private image that one person pulled is nobody else's until they have shown a right of their own."""

import json

import pytest

from mlops_desk.engines.engine import ImageFacts
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.private_images import PrivateImages

ADA, BOB = 1000, 1001
LOGIN = RegistryLogin("hub.lab", "ada", "canary")
FACTS = ImageFacts("sha256:1", ("hub.lab/x:1",), ("hub.lab/x@sha256:d",), (), (), "", "")


@pytest.fixture
def images(tmp_path) -> PrivateImages:
    return PrivateImages(tmp_path / "private.json", lambda _reference, uid: LOGIN if uid == ADA else None)


def test_what_was_pulled_with_a_login_is_that_persons(images, tmp_path):
    assert images.may(FACTS, BOB)
    assert images.login("hub.lab/x:1", ADA) == LOGIN
    assert not images.may(FACTS, BOB)  # an agent that dies now leaves nothing open
    images.pulled("hub.lab/x:1", FACTS, ADA, LOGIN)
    again = PrivateImages(tmp_path / "private.json")
    assert (again.may(FACTS, ADA), again.may(FACTS, BOB)) == (True, False)
    assert "canary" not in (tmp_path / "private.json").read_text()


def test_a_right_that_was_shown_stays(images):
    images.pulled("hub.lab/x:1", FACTS, ADA, LOGIN)
    images.pulled("hub.lab/x:1", FACTS, BOB, LOGIN)
    assert images.may(FACTS, BOB)
    assert not images.may(FACTS, 1002)


def test_what_is_given_out_without_a_login_is_everybodys(images):
    images.login("hub.lab/x:1", ADA)
    images.pulled("hub.lab/x:1", FACTS, ADA, LOGIN)
    images.pulled("hub.lab/x:1", FACTS, BOB, None)
    assert images.may(FACTS, 1002)


def test_an_image_that_nobody_pulled_with_a_login_is_everybodys(images, tmp_path):
    assert images.login("hub.lab/x:1", BOB) is None
    images.pulled("hub.lab/x:1", FACTS, BOB, None)
    assert images.may(FACTS, ADA)
    assert not (tmp_path / "private.json").exists()


def test_a_right_is_shown_by_the_digest_of_what_is_here(images):
    other = ImageFacts("sha256:1", (), ("a.lab/y@sha256:d", "hub.lab/x@sha256:d"), (), (), "", "")
    assert images.asked_by("hub.lab/x:1", other) == "hub.lab/x@sha256:d"
    assert images.asked_by("sha256:1", other) == "a.lab/y@sha256:d"
    assert images.asked_by("hub.lab/x:1", None) == "hub.lab/x:1"
    assert images.asked_by("hub.lab/x:1", ImageFacts("sha256:1", (), (), (), (), "", "")) == "hub.lab/x:1"


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"people": 3}', '{"people": {"a": ["x"]}, "coming": []}', '{"people": {}}']
)
def test_damaged_notes_are_logged_and_begun_anew(tmp_path, content, caplog):
    (tmp_path / "private.json").write_text(content)
    images = PrivateImages(tmp_path / "private.json")
    assert images.may(FACTS, BOB)
    assert "damaged" in caplog.text
    images.pulled("hub.lab/x:1", FACTS, ADA, LOGIN)
    assert json.loads((tmp_path / "private.json").read_text()) == {"people": {"sha256:1": [ADA]}, "coming": []}


def test_to_look_for_a_login_gives_no_right(tmp_path):
    images = PrivateImages(tmp_path / "private.json", lambda _reference, _uid: LOGIN)
    images.pulled("hub.lab/x:1", FACTS, ADA, LOGIN)
    for name in ("hub.lab/x:1", "sha256:1", "hub.lab/x@sha256:d"):
        assert images.login(name, BOB) == LOGIN
        assert not images.may(FACTS, BOB)
    assert images.may(FACTS, ADA)
