"""A profile as a file: it comes back as it was, and what is damaged, newer or made up is refused in words."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.categories import sketch_of_counts
from mlops_desk.drift.profile.file_format import LIMIT_BYTES, from_bytes, is_profile, read_profile, to_bytes
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.kit.base.errors import Invalid

START = struct.Struct("<24sIIQ")


def profile() -> DataProfile:
    values = np.random.default_rng(5).normal(size=1000)
    frame, empty = frame_of(values), frame_of(np.empty(0))
    numbers = sketch_numbers(frame, NumericSide(values[:990], n_missing=6, n_infinite=3, n_wrong_type=1))
    nothing = sketch_numbers(empty, NumericSide(np.empty(0), n_missing=1000))
    categories = sketch_of_counts([("é\n", 990), ("", 4)], n_missing=6, n_blank=6, tells_empty=False)
    texts = TextSketch(numbers, ((3, "two words"), (2**64 - 1, "and more")))
    return DataProfile(
        1000,
        (
            ColumnProfile(FrozenColumn("x", ColumnKind.NUMERIC), numbers, frame),
            ColumnProfile(FrozenColumn("none", ColumnKind.TIME), nothing, empty),
            ColumnProfile(FrozenColumn("k", ColumnKind.CATEGORICAL), categories),
            ColumnProfile(FrozenColumn("t", ColumnKind.TEXT), texts, frame),
            ColumnProfile(FrozenColumn("id", ColumnKind.IDENTIFIER, why_not="An identifier.")),
        ),
        2,
        ("line 3",),
    )


WHOLE = to_bytes(profile())


def with_head(change, tail: bytes = b"") -> bytes:
    """Return the profile with a changed head, and a checksum that fits."""
    mark, version, _, length = START.unpack_from(WHOLE)
    head = json.loads(WHOLE[START.size : START.size + length])
    change(head)
    changed = json.dumps(head).encode()
    rest = changed + WHOLE[START.size + length :] + tail
    return START.pack(mark, version, zlib.crc32(rest), len(changed)) + rest


def test_a_profile_comes_back_as_it_was(tmp_path):
    path = tmp_path / "p.profile"
    path.write_bytes(WHOLE)
    assert is_profile(path)
    assert not is_profile(tmp_path)
    found, made = read_profile(path), profile()
    assert [one.column for one in found.columns] == [one.column for one in made.columns]
    assert (found.n_rows, found.n_rejected, found.notes) == (1000, 2, ("line 3",))
    x, before = found.columns[0], made.columns[0]
    assert x.sketch.counts.tolist() == before.sketch.counts.tolist()
    assert x.sketch.sums.tolist() == before.sketch.sums.tolist()
    assert (x.sketch.squares, x.sketch.least, x.sketch.n_wrong_type) == (before.sketch.squares, before.sketch.least, 1)
    assert x.frame.edges.tolist() == before.frame.edges.tolist()
    assert x.frame.groups.tolist() == before.frame.groups.tolist()
    assert found.columns[1].sketch.least is None
    assert found.columns[2].sketch == made.columns[2].sketch
    assert found.columns[3].sketch.sample == made.columns[3].sketch.sample
    assert found.columns[4].sketch is None
    assert to_bytes(found) == WHOLE


def test_a_window_of_numbers_takes_four_kilobytes_at_most():
    x = profile().columns[0]
    alone = len(to_bytes(DataProfile(1000, (x,)))) - x.frame.edges.nbytes - x.frame.groups.size
    assert alone <= 4096


def test_counts_that_need_eight_bytes_come_back():
    made = profile().columns[0]
    made.sketch.counts[5] += 1 << 40
    found = from_bytes(to_bytes(DataProfile(made.sketch.n_rows, (made,))))
    assert found.columns[0].sketch.counts[5] == made.sketch.counts[5]


@given(st.integers(0, len(WHOLE) - 1))
def test_what_ends_early_is_refused(length):
    with pytest.raises(Invalid, match="profile"):
        from_bytes(WHOLE[:length])


@given(st.integers(24, len(WHOLE) - 1), st.integers(1, 255))
@example(24, 3)  # the other version
def test_a_changed_byte_is_refused(at, change):
    damaged = bytearray(WHOLE)
    damaged[at] ^= change
    with pytest.raises(Invalid, match="profile"):
        from_bytes(bytes(damaged))


def test_a_newer_profile_asks_for_a_newer_program():
    newer = WHOLE[:24] + struct.pack("<I", 3) + WHOLE[28:]
    with pytest.raises(Invalid, match="version 3") as caught:
        from_bytes(newer)
    assert "Update" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(n_rows=10**30),
        lambda head: head.update(n_rows=-1),
        lambda head: head.update(n_rows=999),
        lambda head: head.update(columns=head["columns"] * 2000),
        lambda head: head.update(columns=head["columns"] * 2),
        lambda head: head["columns"][0]["numbers"].update(bins=2**40),
        lambda head: head["columns"][0]["numbers"].update(bins=257),
        lambda head: head["columns"][0]["numbers"].update(bins=0),
        lambda head: head["columns"][0]["numbers"].update(n_groups=1),
        lambda head: head["columns"][0]["numbers"].update(is_wide=True),
        lambda head: head["columns"][0]["numbers"].update(least=5.0, most=1.0),
        lambda head: head["columns"][0]["numbers"].update(least=None),
        lambda head: head["columns"][0]["numbers"].update(squares="NaN"),
        lambda head: head["columns"][0]["numbers"].update(exponent=10**9),
        lambda head: head["columns"][0]["numbers"].update(n_future=10**6),
        lambda head: head["columns"][0]["column"].update(kind="categorical"),
        lambda head: head["columns"][2]["column"].update(kind="numeric"),
        lambda head: head["columns"][3]["column"].update(kind="numeric"),
        lambda head: head["columns"][2]["categories"].update(labels=["a", "a"]),
        lambda head: head["columns"][2]["categories"].update(labels=["a" * 201, "b"]),
        lambda head: head["columns"][2]["categories"].update(labels=["a"] * 10**5),
        lambda head: head["columns"][2]["categories"].update(n_blank=7),
        lambda head: head["columns"][2]["categories"].update(error=-1),
        lambda head: head["columns"][3].update(sample=[[1, "a" * 513]]),
        lambda head: head["columns"][3].update(sample=[[1, "a"]] * 1001),
        lambda head: head.clear(),
    ],
)
def test_a_head_that_does_not_add_up_is_refused(change):
    assert from_bytes(with_head(lambda head: None)).n_rows == 1000
    with pytest.raises(Invalid, match="damaged profile") as caught:
        from_bytes(with_head(change), "p.profile")
    assert "again" in caught.value.hint


def test_answers_may_be_of_other_rows_and_nothing_else_may():
    own = profile()
    answers = sketch_of_counts([("yes", 300), ("no", 210)])
    told = ColumnProfile(FrozenColumn("said", ColumnKind.CATEGORICAL, ColumnRole.PREDICTION), answers)
    whole = to_bytes(replace(own, columns=(*own.columns, told)))
    assert START.unpack_from(whole)[1] == 2
    assert START.unpack_from(WHOLE)[1] == 1
    assert from_bytes(whole).columns[-1].sketch == answers
    with pytest.raises(Invalid, match="its checksum does not fit"):
        from_bytes(whole[:24] + struct.pack("<I", 1) + whole[28:])
    mark, _, _, head_bytes = START.unpack_from(whole)
    rest = whole[START.size :]
    with pytest.raises(Invalid, match="does not fit its kind or its rows"):
        from_bytes(START.pack(mark, 1, zlib.crc32(rest), head_bytes) + rest)
    plain = replace(told, column=replace(told.column, role=ColumnRole.FEATURE))
    with pytest.raises(Invalid, match="does not fit its kind or its rows"):
        from_bytes(to_bytes(replace(own, columns=(*own.columns, plain))))


def test_more_than_was_announced_is_refused():
    with pytest.raises(Invalid, match="too long"):
        from_bytes(with_head(lambda head: None, b"\0"))


def test_a_head_longer_than_the_file_and_one_that_is_no_json_are_refused():
    for length, rest in ((2**60, b"{}"), (3, b"\xff\xff\xff"), (6, b"[" * 6)):
        data = START.pack(WHOLE[:24], 1, zlib.crc32(rest), length) + rest
        with pytest.raises(Invalid, match="damaged profile"):
            from_bytes(data)


def test_a_file_too_large_to_be_one_is_not_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(WHOLE)
        file.truncate(LIMIT_BYTES + 1)
    with pytest.raises(Invalid, match="larger than any profile"):
        read_profile(path)
