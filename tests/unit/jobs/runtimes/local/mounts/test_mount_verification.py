"""What an engine mounted, held against what was checked."""

import pytest

from mlops_desk.jobs.records.spec import Mount
from mlops_desk.jobs.runtimes.local.launch import check_mounted
from mlops_desk.kit.base.disk.mount_points import MountTable, mount_points
from mlops_desk.kit.base.errors import Refused

HOST = """\
20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
21 20 8:2 / /data rw,relatime - ext4 /dev/sdb1 rw
"""
ROOT = "500 400 0:99 / / ro,relatime - overlay overlay rw"
MINE = Mount("/data/anna/set", "/set")
OTHER = Mount("/home/anna/code dir", "/code")


def table(tmp_path, text, name="mountinfo"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def check(tmp_path, mounts, *lines):
    check_mounted(mounts, mount_points(table(tmp_path, "\n".join([ROOT, *lines]), "inside")),
                  MountTable(table(tmp_path, HOST)))  # fmt: skip


def line(number, place, point, parent=500, filesystem="8:2"):
    return f"{number} {parent} {filesystem} {place} {point} ro,relatime - ext4 /dev/sdb1 rw"


def test_what_was_checked_is_mounted(tmp_path):
    check(tmp_path, [MINE], line(501, "/anna/set", "/set"))
    check(
        tmp_path,
        [MINE, OTHER],
        line(501, "/anna/set", "/set"),
        line(502, r"/home/anna/code\040dir", "/code", filesystem="8:1"),
    )
    check(tmp_path, [Mount(MINE.source, "//set/")], line(501, "/anna/set", "/set"))
    check(tmp_path, [])


@pytest.mark.parametrize(
    "shown",
    [
        line(501, "/ben/secret", "/set"),  # another folder
        line(501, "/anna/set", "/set", filesystem="8:1"),  # the same path of another filesystem
        line(501, "/anna", "/set"),  # a folder above it
        line(501, "/anna/set/deeper", "/set"),
        line(501, "/anna/set//deleted", "/set"),  # a folder that is gone
    ],
)
def test_another_place_is_refused_with_its_name(tmp_path, shown):
    with pytest.raises(Refused, match=r"on /set is not /data/anna/set, which was checked: /") as refused:
        check(tmp_path, [MINE], shown)
    assert shown.split()[3].replace("//", "/") in refused.value.message
    assert refused.value.hint is not None


def test_a_mount_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="was checked: nothing"):
        check(tmp_path, [MINE])


def test_the_uppermost_of_two_mounts_on_one_point_counts(tmp_path):
    with pytest.raises(Refused, match="/ben"):
        check(tmp_path, [MINE], line(501, "/anna/set", "/set"), line(502, "/ben", "/set", parent=501))


def test_a_target_that_is_a_link_in_the_image_is_mounted_where_it_leads(tmp_path):
    check(tmp_path, [MINE], line(501, "/anna/set", "/elsewhere"))
    with pytest.raises(Refused):
        check(tmp_path, [MINE], line(501, "/ben", "/elsewhere"))


def test_one_mount_does_not_stand_for_two(tmp_path):
    twice = [Mount(MINE.source, "/a"), Mount(MINE.source, "/b")]
    check(tmp_path, twice, line(501, "/anna/set", "/a"), line(502, "/anna/set", "/b"))
    check(tmp_path, twice, line(501, "/anna/set", "/x"), line(502, "/anna/set", "/y"))
    for shown in (line(501, "/anna/set", "/a"), line(501, "/anna/set", "/x")):
        with pytest.raises(Refused):
            check(tmp_path, twice, shown, line(502, "/ben", "/secret"))


def test_what_came_along_with_another_mount_does_not_stand_for_one(tmp_path):
    shown = [
        line(501, "/anna/set", "/set"),
        line(502, "/home/anna/code\\040dir", "/set/code", parent=501, filesystem="8:1"),
    ]
    with pytest.raises(Refused, match="on /code is not"):
        check(tmp_path, [MINE, OTHER], *shown, line(503, "/ben", "/secret"))


def test_a_table_that_can_not_be_seen_is_refused_where_something_is_to_be_compared(tmp_path):
    host = MountTable(table(tmp_path, HOST))
    with pytest.raises(Refused, match="can't be seen"):
        check_mounted([MINE], None, host)
    check_mounted([], None, host)
