"""What a run of all tests may leave out, with the reasons. Where CI is set one more fails it, elsewhere it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from desk_setup import landing
from desk_setup.order import TIME_IS_UP, TOO_SLOW, Owed, named
from desk_setup.say import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from desk_setup.account import Account


@dataclass(frozen=True)
class Leave:
    """So many tests may be skipped with these words, and why."""

    words: str
    at_most: int
    why: str


SKIPS = (
    Leave("only root, with a loop device, may freeze a disk", 1, "CI may be a container without loop devices"),
    Leave("only root may mount a filesystem without a server", 1, "likewise, without /dev/fuse"),
    Leave("this machine's engine hands over GPUs", 1, "the test is of the sentence for one that does not"),
    Leave(TIME_IS_UP, 1300, "the run has an end, and this is all that may wait: see order.py"),
    Leave(TOO_SLOW, 600, "likewise: a third of the end-to-end tests, whose files are printed"),
    Leave("this copy's history lacks commit", 6, "CI may have no more than the newest commit"),
)
DESELECTED = 0
"""Tests kept out by a marker."""
UNCOLLECTED_FILES = 0
"""Test files from which no test came."""


def complaints(
    accounts: Sequence[Account],
    tests: Path = ROOT / "tests",
    leaves: Sequence[Leave] = SKIPS,
    number: Path | None = landing.FILE,
) -> Iterator[str]:
    """Say what was left out beyond what may be; nothing where all is well."""
    skipped = {name: why for account in accounts for name, why in account.skipped.items()}
    for name, why in sorted(skipped.items()):
        if not any(leave.words in why for leave in leaves):
            yield f"skipped without leave: {name} ({why})"
    late = sorted(name for name, why in skipped.items() if TIME_IS_UP in why)
    owed = Owed.at(number, list({named(name) for name in late})) if number is not None else Owed()
    for name in late:
        if named(name) in owed.due:
            yield f"not run for three landings: {name}"
    commits = landing.commits_since(number) if late and number is not None else 0
    if commits > landing.MOST_COMMITS:
        yield (
            f"{commits} commits since this landing was begun, {landing.MOST_COMMITS} may be, and tests were left to "
            "the next: PYTHONPATH=packaging python3 -m desk_setup.landing begins it"
        )
    for leave in leaves:
        those = sorted(name for name, why in skipped.items() if leave.words in why)
        if len(those) > leave.at_most:
            yield f"{len(those)} skipped, {leave.at_most} may be ({leave.words}): {', '.join(those)}"
    deselected = sum(account.deselected for account in accounts)
    if deselected > DESELECTED:
        yield f"{deselected} tests kept out by a marker, {DESELECTED} may be"
    missing = sorted(_files(tests) - {file for account in accounts for file in account.files})
    if len(missing) > UNCOLLECTED_FILES:
        yield f"{len(missing)} files from which no test came, {UNCOLLECTED_FILES} may be: {', '.join(missing)}"


def _files(tests: Path) -> set[str]:
    return {str(path.relative_to(tests.parent)) for path in tests.rglob("test_*.py")}
