"""What the command line says of files that were checked, and of what a clean-up would take."""

import pytest

from mlops_desk.desk.cli import output
from mlops_desk.registry.records.clean_up import CleanUpDone, CleanUpItem, CleanUpPreview
from mlops_desk.registry.records.transfer import CheckedFile, Verified

SAME, CHANGED = CheckedFile("same", "same", "a", "a", 1), CheckedFile("weights", "changed", "a", "b", 1)
UNREAD = CheckedFile("unread", "unknown", "a", None, 0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((SAME, SAME), "all 2 files are what they were on "),
        ((CHANGED, SAME), "1 of 2 files are not what they were on "),
        ((UNREAD, SAME), "iris/3: 1 of 2 files can't be compared."),
        ((CHANGED, UNREAD, SAME), ", and 1 of 3 files can't be compared."),
    ],
)
def test_what_can_not_be_compared_is_not_told_as_changed(files: tuple[CheckedFile, ...], said: str) -> None:
    shown = output.text(Verified("iris", "3", 1_000_000.0, files))
    assert said in shown
    assert ("not what they were" in shown) == (CHANGED in files)
    assert ("UNKNOWN" in shown) == (UNREAD in files)


@pytest.mark.parametrize("recorded_at", [None, 1_000_000.0])
def test_why_a_file_could_not_be_read_is_told(recorded_at: float | None) -> None:
    shown = output.text(Verified("iris", "3", recorded_at, (UNREAD, SAME), "1 of 2 files could not be read: no disk."))
    assert "\n1 of 2 files could not be read: no disk." in shown
    assert "It is now." not in shown


def item(kind: str, size_bytes: int | None) -> CleanUpItem:
    return CleanUpItem(kind, "x", "x", "old", size_bytes)


@pytest.mark.parametrize(
    ("going", "size_bytes", "n_unknown", "said"),
    [
        ((item("run", 1 << 20),), 1 << 20, 0, "1 would go, 1 MiB once purged: "),
        ((item("run", None),), None, 1, "1 would go, of unknown size: "),
        ((item("version", 0), item("run", None)), 0, 1, "once purged, and 1 of unknown size: "),
        ((item("run", 0), item("run", 0)), 0, 0, "once purged: "),
    ],
)
def test_runs_whose_size_nobody_knows_are_counted_beside_those_that_take_nothing(
    going: tuple[CleanUpItem, ...], size_bytes: int | None, n_unknown: int, said: str
) -> None:
    assert said in output.text(CleanUpPreview("t0", going, (), size_bytes, n_unknown))


def test_each_command_that_brings_runs_back_stands_there_as_it_is_pasted() -> None:
    back = ("mlops-desk runs restore a b --uri lab", "mlops-desk runs restore c --uri lab")
    shown = output.text(CleanUpDone(3, 0, "a b c", (), back))
    assert [line.partition(": ")[2] for line in shown.splitlines()[1:]] == list(back)
