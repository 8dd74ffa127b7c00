"""Whether a model fits, before it is placed."""

from pathlib import Path

import pytest

from mlops_desk.serving.runtimes.fit import Fit, free_bytes

GIB = 1 << 30


@pytest.mark.parametrize(
    ("weights", "limit", "free", "can_be", "told"),
    [
        (0, 4 * GIB, 8 * GIB, True, ""),
        (4 * GIB, 4 * GIB, None, True, "it may be too little"),
        (4 * GIB + 1, 4 * GIB, None, False, "it may be too little"),
        (3 * GIB, 4 * GIB, 8 * GIB, True, ""),
        (3 * GIB, 8 * GIB, 2 * GIB, True, "others may have to make room"),
    ],
)
def test_weights_larger_than_the_container_are_refused_and_the_rest_is_said(
    weights: int, limit: int, free: int | None, can_be: bool, told: str
) -> None:
    fit = Fit(weights, limit, free)
    assert fit.can_be is can_be
    assert told in fit.text()
    assert (": " in fit.text()) is bool(told)
    assert ("are free" in fit.text()) is (free is not None)
    assert fit.needed_bytes == int(weights * 1.2) + (400 << 20)


def test_free_memory_is_the_kernels_own_estimate_and_unknown_is_not_nothing(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    assert free_bytes(table) is None
    table.write_text("MemTotal: 100 kB\nMemAvailable:   2048 kB\n")
    assert free_bytes(table) == 2048 << 10
    table.write_text("MemTotal: 100 kB\n")
    assert free_bytes(table) is None


def test_hardly_any_files_are_not_told_as_none() -> None:
    assert "(less than 1 MiB of files)" in Fit(12_400, 1 << 32).text()
    assert "(1 MiB of files)" in Fit(1 << 20, 1 << 32).text()
