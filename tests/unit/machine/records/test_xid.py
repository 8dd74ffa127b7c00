"""The catalogue of the driver's errors: what pages somebody, whose fault it is, and that nothing is left unexplained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.xid import CATALOGUE, Blame, explain_xid


@pytest.mark.parametrize("code", [48, 62, 64, 74, 79, 95, 119, 120, 140])
def test_what_takes_a_gpu_out_of_use_is_an_alert(code: int) -> None:
    assert explain_xid(code).level == "alert"
    assert explain_xid(code).blame in {Blame.HARDWARE, Blame.DRIVER}


@pytest.mark.parametrize("code", [13, 31, 43, 45])
def test_a_programs_own_fault_is_called_one(code: int) -> None:
    assert (explain_xid(code).blame, explain_xid(code).level) == (Blame.APPLICATION, "warning")


@pytest.mark.parametrize(("code", "level"), [(94, "warning"), (63, "info"), (92, "info")])
def test_what_the_driver_has_dealt_with_does_not_page(code: int, level: str) -> None:
    assert explain_xid(code).level == level


@given(st.integers(0, 1 << 64))
def test_every_number_is_answered_and_kept(code: int) -> None:
    xid = explain_xid(code)
    assert xid.code == code
    assert xid.level in {"info", "warning", "alert"}


def test_every_row_says_what_and_what_next_and_none_twice() -> None:
    for xid in CATALOGUE.values():
        assert xid.text.endswith(".")
        assert xid.hint.endswith((".", "nvidia-smi --gpu-reset."))
    assert len(CATALOGUE) > 100


def test_every_row_has_words_that_fit_into_a_title() -> None:
    assert explain_xid(31).brief == "memory page fault"
    assert explain_xid(74).brief == "NVLink failed"
    for xid in CATALOGUE.values():
        assert 0 < len(xid.brief) <= 48
        assert not xid.brief.startswith(("A ", "An ", "The "))
        assert not xid.brief.endswith(".")


def test_a_number_that_nobody_has_explained_is_a_warning() -> None:
    found = explain_xid(4711)
    assert (found.code, found.level, found.brief) == (4711, "warning", "")
