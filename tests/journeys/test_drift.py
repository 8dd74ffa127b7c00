"""Files of an ordinary export, watched by a real agent: words that mean missing alarm nobody, a real drift does.

The table has a number, a category, true and false, a date, and a column with nothing in it. What lacks is an empty cell
in the reference; in the exports it is written as NA, null or nothing.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]

WINDOW = 300
MISSING = ("", "NA", "null")
KINDS = {"amount": "numeric", "city": "categorical", "is_member": "boolean", "since": "time", "note": "categorical"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    yield desk
    desk.stop()


def export(path: Path, rows: int, seed: int, missing: tuple[str, ...], more: float = 0.0) -> None:
    """Write a file of orders, of which one in five lacks its amount; ``more`` is how much higher the amounts are."""
    some = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["amount", "city", "is_member", "since", "note"])
        for _ in range(rows):
            amount = some.choice(missing) if some.random() < 0.2 else f"{some.gauss(50.0 + more, 10.0):.2f}"
            city = some.choice(missing) if some.random() < 0.1 else some.choice(["Bonn", "Ulm", "Ulm", "Kiel"])
            since = f"2025-{some.randrange(1, 13):02}-{some.randrange(1, 29):02}"
            writer.writerow([amount, city, some.choice(["true", "false"]), since, some.choice(missing)])


def alerts(desk: Desk) -> list[dict[str, Any]]:
    return [one for one in desk.json("alerts", "list") if one["rule"].startswith("drift") and one["ended_at"] is None]


def test_words_that_mean_missing_are_quiet_and_a_real_drift_is_loud(desk: Desk, tmp_path: Path) -> None:
    reference, exports = tmp_path / "reference.csv", tmp_path / "exports"
    exports.mkdir()
    export(reference, 2000, 1, MISSING[:1])
    export(exports / "1.csv", 2 * WINDOW, 2, MISSING)
    words = ("--files", str(exports), "--reference", "file", "--reference-file", str(reference))
    desk.json("drift", "monitors", "create", "orders", *words, "--rows", str(WINDOW), "--check-every", "5s")
    told = desk.wait(lambda: desk.json("drift", "history", "orders"), lambda found: len(found) >= 2)
    assert [one["verdict"] for one in told] == ["ok", "ok"], told
    assert set(told[0]["columns"]) == {"amount", "city", "is_member", "since"}, (
        "of one with nothing in it nothing is told"
    )
    assert alerts(desk) == []

    export(exports / "2.csv", 2 * WINDOW, 3, MISSING, more=15.0)
    (alert,) = desk.wait(lambda: alerts(desk), len)
    assert (alert["rule"], alert["device"], "amount" in alert["text"]) == ("drift", "orders", True)
    shown = desk.json("drift", "monitors", "show", "orders")
    assert (shown["state"], set(shown["since"])) == ("turned", {"amount"})
    report = desk.json("drift", "report", "--reference", str(reference), "--current", str(exports / "1.csv"))
    assert (report["verdict"], {one["name"]: one["kind"] for one in report["columns"]}) == ("ok", KINDS)
