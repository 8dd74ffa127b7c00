"""What stands in one place of a line."""

import pytest

from mlops_desk.kit.text.cells import ago, in_full, size


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 MiB"),
        (5, "5 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (98_700, "96.39 KiB"),
        ((1 << 20) - 1, "1024 KiB"),
        (1 << 20, "1 MiB"),
        (3 << 30, "3 GiB"),
    ],
)
def test_a_size_is_told_in_the_unit_that_fits_it(size_bytes: int, shown: str) -> None:
    assert size(size_bytes) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [(None, "–"), (0.0, "11574 d ago"), (999_999_940.0, "1 min ago"), (1_000_000_003.0, "0 s ago"),
     (1_000_000_060.0, "in 1 min"), (4_102_444_800.0, "in 35908 d"), (9.2e15, "in 106481469907 d")],
)  # fmt: skip
def test_a_time_to_come_is_not_told_as_now(at: float | None, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.kit.base.agent_clock.now", lambda: 1_000_000_000.0)
    assert ago(at) == shown


def test_what_a_table_has_cut_stands_below_it_whole_and_plain() -> None:
    words = " ".join(f"word{number}" for number in range(40))
    shown = in_full({"validate": words, "train": "short", "gate": "x\x1b[31m" * 20}, 90)
    assert " ".join(shown.replace("validate", "", 1).partition("gate")[0].split()) == words
    assert "train" not in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 120
    assert in_full({"train": "x" * 90}, 90) == in_full({}, 90) == ""
