"""What lies on a job's mounts: counted and hashed, sampled where it is much, unknown where it can't be read in time."""

import os

import pytest

from mlops_desk.jobs.provenance.data import manifest
from mlops_desk.kit.base.process import run_worker


def look(*sources, whole_bytes=1 << 30, seconds=30):
    return manifest({"sources": [str(one) for one in sources], "whole_bytes": whole_bytes, "seconds": seconds})


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "deep" / "b.csv").write_text("3\n")
    return folder


def test_files_bytes_and_content_are_told(data):
    (found,) = look(data)
    assert (found["files"], found["size_bytes"], found["sampled"]) == (2, 6, False)
    (data / "deep" / "b.csv").write_text("4\n")
    (changed,) = look(data)
    assert changed["sha256"] != found["sha256"]
    (data / "deep" / "b.csv").write_text("3\n")
    assert look(data) == [found]


def test_names_count_and_what_stands_between_them(data, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.csv").write_text("1,2\n3\n")
    assert look(other)[0]["sha256"] != look(data)[0]["sha256"]
    (data / "a.csv").rename(data / "c.csv")
    assert look(data)[0]["files"] == 2


def test_a_link_is_a_link_and_what_is_no_file_is_left_out(data, tmp_path):
    before = look(data)[0]
    (tmp_path / "outside").write_text("x")
    (data / "link").symlink_to("../outside")
    (data / "deep" / "folder").symlink_to("..")
    os.mkfifo(data / "pipe")
    found = look(data)[0]
    assert (found["files"], found["size_bytes"]) == (4, 6)
    (tmp_path / "outside").write_text("y")
    assert look(data)[0] == found != before


def test_a_large_set_is_sampled_and_says_so(data):
    size = 1 << 20
    (data / "big").write_bytes(bytes(size))
    (found,) = look(data, whole_bytes=1000)
    assert (found["sampled"], found["size_bytes"]) == (True, size + 6)
    for place, is_seen in ((0, True), (size // 2, True), (size - 1, True), (100_000, False)):
        with (data / "big").open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        assert (look(data, whole_bytes=1000)[0]["sha256"] != found["sha256"]) is is_seen
        (data / "big").write_bytes(bytes(size))
    (data / "a.csv").write_text("9,2\n")
    assert look(data, whole_bytes=1000)[0]["sha256"] != found["sha256"]


def test_one_file_is_a_set(data):
    (found,) = look(data / "a.csv")
    assert (found["files"], found["size_bytes"]) == (1, 4)


def test_what_can_not_be_read_is_unknown_and_the_others_are_told(data, tmp_path):
    found = look(tmp_path / "nowhere", data)
    assert found[0] is None
    assert found[1]["files"] == 2


def test_what_takes_too_long_is_unknown(data):
    assert look(data, seconds=-1) == [None]


def test_an_empty_folder_is_known_to_be_empty(tmp_path):
    (found,) = look(tmp_path)
    assert (found["files"], found["size_bytes"]) == (0, 0)


def test_it_is_a_worker(data):
    request = {"sources": [str(data)], "whole_bytes": 1 << 30, "seconds": 20}
    assert run_worker("mlops_desk.jobs.provenance.data", request, 30.0, as_uid=os.getuid()) == look(data)
