"""An id or its beginning: the one that is meant, and never one of several."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.short_ids import the_one

ids = st.text("ab", min_size=1, max_size=3)


def find(wanted: str, known: list[str]) -> str:
    found = [one for one in known if one.startswith(wanted)]
    return the_one(wanted, found, noun="job", hint="mlops-desk jobs list", key=str)


@given(wanted=st.text("ab", max_size=3), known=st.lists(ids, unique=True, max_size=12))
@example(wanted="a", known=["a", "ab"])
@example(wanted="", known=["a"])
@example(wanted="ab", known=["ab"])
def test_what_is_found_is_called_so_or_is_the_only_one_that_begins_so(wanted: str, known: list[str]) -> None:
    begin = [one for one in known if one.startswith(wanted)]
    try:
        found = find(wanted, known)
    except NotFound:
        assert wanted == "" or begin == []
    except Invalid:
        assert len(begin) > 1
        assert wanted not in known
    else:
        assert wanted
        assert found == wanted or begin == [found]


def test_several_are_named_and_no_more_than_can_be_read() -> None:
    with pytest.raises(Invalid) as caught:
        find("a", [f"a{number}" for number in range(20)])
    assert caught.value.message == "Several jobs begin with 'a'."
    assert caught.value.hint == "Use more of the id: a0, a1, a2, a3, a4, a5, a6, a7 …."


def test_an_unknown_one_is_not_found_and_the_list_is_named() -> None:
    with pytest.raises(NotFound) as caught:
        find("c", ["a", "b"])
    assert (caught.value.message, caught.value.hint) == ("There is no job 'c'.", "mlops-desk jobs list")
