"""What may be cleared away: never what somebody needs, never what this desk did not bring, whatever happens."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.engines.image_store import StoredImage
from mlops_desk.engines.images.dependents import ImageNeed, users_of
from mlops_desk.engines.images.inventory import plan, used_text
from mlops_desk.engines.records.image import ImageCard, ImageUser, UserKind

NOW = 1_000_000.0
MINE = ImageCard(
    "sha256:a", ("team/a:1",), size_bytes=100, own_bytes=60, origin="pulled", brought_at=NOW - 500, brought_by=1
)
USER = ImageUser(UserKind.QUEUED_JOB, "j1", "train", "queued", "bo")


def planned(card: ImageCard, unused_seconds: float = 0.0, used_at: float | None = None) -> tuple[str, str]:
    found = plan([card], {} if used_at is None else {card.id: used_at}, unused_seconds, NOW, "local")
    (going, staying) = (found.going, found.staying)
    assert len(going) + len(staying) == 1
    return ("goes", going[0].why) if going else ("stays", staying[0].why)


def test_what_we_brought_and_nothing_needs_goes() -> None:
    assert planned(MINE) == ("goes", "unused")
    assert planned(replace(MINE, tags=())) == ("goes", "nameless")


@pytest.mark.parametrize("kind", list(UserKind))
def test_what_anything_needs_stays(kind: UserKind) -> None:
    assert planned(replace(MINE, used_by=(replace(USER, kind=kind),))) == ("stays", "used")


def test_what_somebody_else_brought_stays() -> None:
    assert planned(replace(MINE, origin="", brought_at=None, brought_by=None)) == ("stays", "foreign")


@pytest.mark.parametrize(
    ("unused_seconds", "used_at", "stays"),
    [
        (499.0, None, False), (500.0, None, False), (501.0, None, True),
        (100.0, NOW - 99, True), (100.0, NOW - 101, False), (0.0, NOW, False),
    ],
)  # fmt: skip
def test_what_came_or_was_needed_lately_stays(unused_seconds: float, used_at: float | None, stays: bool) -> None:
    assert planned(MINE, unused_seconds, used_at) == (("stays", "recent") if stays else ("goes", "unused"))


def test_what_becomes_free_is_unknown_as_soon_as_one_is() -> None:
    other = replace(MINE, id="sha256:b", own_bytes=None)
    assert plan([MINE], {}, 0, NOW, "local").freed_bytes == 60
    assert plan([MINE, other], {}, 0, NOW, "local").freed_bytes is None
    assert plan([], {}, 0, NOW, "local").freed_bytes == 0


def test_three_users_are_named_and_the_others_counted() -> None:
    users = [replace(USER, id=str(number), name=f"n{number}") for number in range(5)]
    assert used_text(users) == (
        "queued job n0 of bo (queued), queued job n1 of bo (queued), queued job n2 of bo (queued) and 2 more"
    )


names = st.sampled_from(["a:1", "a:2", "reg:5000/b:1", "c:latest"])
ids = st.sampled_from([f"sha256:{letter * 64}" for letter in "abc"])
stored = st.lists(
    st.builds(StoredImage, ids, st.lists(names, max_size=2, unique=True).map(tuple)),
    max_size=3,
    unique_by=lambda one: one.id,
)
needs = st.lists(
    st.builds(
        lambda kind, word, container: ImageNeed(ImageUser(kind, "x", "x"), (word,), (container,)),
        st.sampled_from(list(UserKind)), names | ids | names.map(lambda name: f"docker.io/library/{name}"),
        st.sampled_from(["c1", "c2"]),
    ),
    max_size=3,
)  # fmt: skip
containers = st.lists(
    st.builds(lambda name, image: ContainerFacts(name, name, image, "exited", {}), st.sampled_from(["c1", "c3"]), ids),
    max_size=3,
)


@given(stored, needs, containers, st.sets(ids), st.floats(0, 1e6))
@example(
    [StoredImage("sha256:" + "a" * 64, ())],
    [],
    [ContainerFacts("c3", "c3", "sha256:" + "a" * 64, "exited", {})],
    {"sha256:" + "a" * 64},
    0.0,
)
def test_nothing_that_is_needed_ever_goes(
    images: list[StoredImage], needed: list[ImageNeed], made: list[ContainerFacts], ours: set[str], unused: float
) -> None:
    users = users_of(images, made, needed)
    cards = [
        ImageCard(one.id, one.tags, used_by=users.get(one.id, ()), origin="pulled" if one.id in ours else "")
        for one in images
    ]
    found = plan(cards, {}, unused, NOW, "local")
    going = {item.id for item in found.going}
    assert going | {item.id for item in found.staying} == {one.id for one in images}
    assert going <= ours
    assert not going & {one.image_id for one in made}
    words = {word.removeprefix("docker.io/library/") for need in needed for word in need.images}
    for one in images:
        if words & {one.id, *one.tags}:
            assert one.id not in going
