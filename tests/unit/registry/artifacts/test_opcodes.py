"""What a pickle would import, read off it and never done: held against what Python's own unpickler asks for."""

import collections
import datetime as dt
import decimal
import io
import pickle
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.artifacts.views import pickles
from mlops_desk.registry.artifacts.views.pickles import MOST_OPERATIONS, read_operations


class Recording(pickle.Unpickler):
    """Loads what these tests have made themselves, and writes down each name that it is asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: collections.Counter[str] = collections.Counter()

    def find_class(self, module: str, name: str) -> Any:
        self.names[f"{module}.{name}"] += 1
        return super().find_class(module, name)


def wanted(data: bytes) -> collections.Counter[str]:
    recording = Recording(data)
    recording.load()
    return recording.names


leaves = (
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5) | st.floats() | st.dates() | st.decimals()
    | st.sampled_from([collections.OrderedDict, collections.deque, dt.datetime, int, range])
    | st.builds(np.float64, st.floats(0, 1))
)  # fmt: skip
things = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    | inner.map(lambda one: collections.OrderedDict(a=one)) | st.tuples(inner, inner)
    | st.lists(inner, max_size=3).map(collections.deque),
    max_leaves=12,
)  # fmt: skip


@given(things, st.integers(2, pickle.HIGHEST_PROTOCOL))
@example([decimal.Decimal(1), decimal.Decimal(2)], 2)
@example([dt.date(2020, 1, 1)] * 2, 4)
@example(["collections", "deque", collections.deque], 4)
@example(np.arange(3), 5)
@example({"x": collections.deque, "y": collections.deque}, 3)
def test_the_names_are_those_that_loading_would_ask_for(thing: Any, protocol: int) -> None:
    data = pickle.dumps(thing, protocol)
    found = read_operations(io.BytesIO(data))
    # Protocols below 3 import by the names of Python 2, which the unpickler turns into today's.
    if protocol >= 3:
        assert found.names == wanted(data)
    assert sum(found.names.values()) == sum(wanted(data).values())
    assert (found.problem, found.n_pickles) == (None, 1)
    assert not [name for name in found.names if "?" in name]


class Evil:
    def __reduce__(self) -> Any:
        import os

        return os.system, ("touch /tmp/never",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_told_by_what_it_calls(protocol: int) -> None:
    found = read_operations(io.BytesIO(pickle.dumps(Evil(), protocol)))
    assert list(found.names) == ["posix.system"]
    assert any("touch /tmp/never" in line for line in found.lines)


def test_a_name_that_is_put_together_in_a_way_that_is_not_followed_is_a_question_mark() -> None:
    # The module's name is a number's text that the pickle made: nobody can say which.
    found = read_operations(io.BytesIO(b"\x80\x04K\x01\x8c\x06system\x93."))
    assert list(found.names) == ["?.system"]
    found = read_operations(io.BytesIO(b"\x80\x04\x93."))
    assert list(found.names) == ["?.?"]


def test_a_name_from_the_memo_is_followed() -> None:
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93."
    assert list(read_operations(io.BytesIO(data)).names) == ["os.system"]


def test_pickles_that_follow_one_another_are_all_read() -> None:
    found = read_operations(io.BytesIO(pickle.dumps(1) + pickle.dumps(collections.deque)))
    assert (found.n_pickles, list(found.names), found.problem) == (2, ["collections.deque"], None)


@pytest.mark.parametrize("data", [b"\x80\x04\xff", b"\x80\x04\x8c\xff", pickle.dumps([1])[:-3], b"\x80\x04B\xff\xff\xff\x7fab",
                                  b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"g99\n.", b"I" + b"9" * 5000 + b"\n."])  # fmt: skip
def test_what_is_broken_is_told_up_to_where_it_broke(data: bytes) -> None:
    found = read_operations(io.BytesIO(data))
    assert found.problem is not None or found.n_pickles == 1


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd_to_be_listed(data: bytes) -> None:
    read_operations(io.BytesIO(b"\x80\x04" + data))


@pytest.mark.slow
def test_a_pickle_without_end_is_read_in_part() -> None:
    found = read_operations(io.BytesIO(b"\x80\x04" + b"N0" * MOST_OPERATIONS + b"."))
    assert (found.n_operations, found.problem is not None) == (MOST_OPERATIONS, True)
    assert len(found.lines) == 1000


def test_the_view_has_names_operations_and_whether_it_was_cut() -> None:
    data = pickle.dumps([collections.deque, decimal.Decimal, decimal.Decimal(1)])
    seen = pickles.view("m.pkl", OpenFile(io.BytesIO(data), "", len(data)))
    assert seen.listing[0] == "decimal.Decimal × 1" or seen.listing[0] == "collections.deque × 1"
    assert (seen.kind, seen.is_cut, seen.problem) == ("pickle", False, None)
    assert seen.text is not None
    assert seen.text.splitlines()[0].split() == ["0", "PROTO", "4"]


@pytest.mark.slow
def test_a_pickle_that_joblib_packed_is_read_as_what_it_is() -> None:
    data = zlib.compress(pickle.dumps(collections.deque))
    seen = pickles.view("m.joblib", OpenFile(io.BytesIO(data), "", len(data)))
    assert (seen.listing, seen.problem) == (("collections.deque × 1",), None)
    bomb = zlib.compress(b"\x80\x04" + b"N0" * (40 << 20) + b".", 9)
    cut = pickles.view("m.joblib", OpenFile(io.BytesIO(bomb), "", len(bomb)))
    assert cut.is_cut
    odd = pickles.view("m.joblib", OpenFile(io.BytesIO(b"\x78\x9cnonsense"), "", 10))
    assert odd.problem is not None
