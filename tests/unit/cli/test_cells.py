"""What stands in one place of a line."""

import pytest

from mlops_desk.cli.cells import ago, size


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
    monkeypatch.setattr("mlops_desk.base.agent_clock.now", lambda: 1_000_000_000.0)
    assert ago(at) == shown
