"""Each file of tests belongs to one room, so that `test --all --room NAME` leaves out none of it."""

import pytest
from desk_setup import rooms
from desk_setup.say import SetupError


@pytest.mark.parametrize(
    ("file", "room"),
    [
        ("tests/unit/jobs/queue/test_line.py", "jobs"),
        ("tests/end2end/test_serving_sleep.py", "serving"),
        ("tests/end2end/test_serving_labels.py", "governance"),
        ("tests/end2end/test_jobs_engine.py", "jobs"),
        ("tests/unit/kit/base/test_loop.py", "kit"),
        ("tests/new/test_unheard_of.py", "kit"),
    ],
)
def test_of_several_beginnings_the_longest_tells_the_room(file, room):
    assert rooms.room_of(file) == room


def test_no_beginning_of_a_room_stands_for_nothing(root):
    paths = [file.removeprefix("tests/") for file in rooms.files(root / "tests")]
    empty = [b for all_begin in rooms.ROOMS.values() for b in all_begin if not any(p.startswith(b) for p in paths)]
    assert empty == []


def test_rooms_are_named_one_after_another_or_each_behind_its_option():
    assert rooms.asked_for(["--all"]) == []
    assert rooms.asked_for(["--all", "--room", "jobs", "drift"]) == ["jobs", "drift"]
    assert rooms.asked_for(["--all", "--room", "jobs", "--room", "drift"]) == ["jobs", "drift"]
    with pytest.raises(SetupError, match="There is no room leases"):
        rooms.asked_for(["--all", "--room", "leases"])
