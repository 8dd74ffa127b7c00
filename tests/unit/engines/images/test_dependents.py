"""What needs an image, however it names it."""

import pytest

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.engines.image_store import StoredImage
from mlops_desk.engines.images.dependents import ImageNeed, spelled, users_of
from mlops_desk.engines.records.image import ImageUser, UserKind

ID = "sha256:" + "a" * 64
IMAGE = StoredImage(ID, ("python:3.12",), ("python@sha256:" + "d" * 64,))
JOB = ImageUser(UserKind.QUEUED_JOB, "j1", "train", "queued", "anna")


@pytest.mark.parametrize(
    "word",
    [
        ID,
        "python:3.12",
        "docker.io/library/python:3.12",
        "docker.io/python:3.12",
        "python@sha256:" + "d" * 64,
        "python:3.12@sha256:" + "d" * 64,
        "python:other@sha256:" + "d" * 64,
        "index.docker.io/library/python@sha256:" + "d" * 64,
    ],
)
def test_a_job_needs_its_image_however_it_names_it(word: str) -> None:
    assert users_of([IMAGE], [], [ImageNeed(JOB, (word,))]) == {ID: (JOB,)}


@pytest.mark.parametrize("word", ["python:3.1", "python", "mirror/python:3.12", "sha256:" + "b" * 64, "", "3.12"])
def test_another_image_is_not_needed_by_it(word: str) -> None:
    assert users_of([IMAGE], [], [ImageNeed(JOB, (word,))]) == {}


def test_a_name_without_a_tag_means_the_latest() -> None:
    latest = StoredImage(ID, ("localhost:5000/team/trainer:latest",))
    assert users_of([latest], [], [ImageNeed(JOB, ("localhost:5000/team/trainer",))]) == {ID: (JOB,)}
    assert spelled("localhost:5000/a") == "localhost:5000/a:latest"


def test_a_container_of_nobody_here_uses_its_image_running_or_not() -> None:
    for status in ("running", "exited", "created"):
        facts = ContainerFacts("c1", "somebodys", ID, status, {})
        assert users_of([IMAGE], [facts], []) == {ID: (ImageUser(UserKind.CONTAINER, "c1", "somebodys", status, None),)}


def test_a_container_of_a_job_is_told_as_the_job_and_once() -> None:
    facts = ContainerFacts("c1", "mld-1", ID, "running", {})
    need = ImageNeed(JOB, ("python:3.12", ID), ("mld-1",))
    assert users_of([IMAGE], [facts], [need]) == {ID: (JOB,)}


def test_a_job_that_is_over_needs_nothing_but_its_container_does() -> None:
    over = ImageUser(UserKind.JOB, "j1", "train", "succeeded", "anna")
    need = ImageNeed(over, (ID,), ("mld-1",), needs=False)
    assert users_of([IMAGE], [], [need]) == {}
    assert users_of([IMAGE], [ContainerFacts("c1", "mld-1", ID, "exited", {})], [need]) == {ID: (over,)}


def test_two_images_of_one_digest_are_both_needed() -> None:
    other = StoredImage("sha256:" + "b" * 64, (), IMAGE.digests)
    found = users_of([IMAGE, other], [], [ImageNeed(JOB, IMAGE.digests)])
    assert set(found) == {IMAGE.id, other.id}
