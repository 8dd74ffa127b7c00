"""What stands in one place of a line."""

import pytest

from mlops_desk.cli.cells import size


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
