"""Drift of a served model, on a real engine: real data asked as they are ring nobody, and moved they ring.

The model is trained by a job on a data set that scikit-learn ships, with numbers, a category, true and false, dates and
missing values. Its reference is the logged data set (pandas, from CSV), and a Parquet file and a CSV file for two more
monitors. The alarm is in the list of alerts and at a webhook, with the columns that moved and no other.
"""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end2end.cells import SPEC, WINDOW, cells, project, records, watching
from tests.end2end.desk import Desk
from tests.end2end.test_alert_scenarios import Receiver

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("project"))
    csv = folder / "data" / "cells.csv"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM '{csv}') TO '{csv.with_suffix('.parquet')}'")
    return folder


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Desk]:
    with watching(tmp_path_factory.mktemp("desk") / "data", receiver) as desk:
        yield desk


def ask(endpoint: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for first in range(0, len(rows), 50):
        body = json.dumps({"dataframe_records": rows[first : first + 50]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint['token']}"}
        request = urllib.request.Request(endpoint["url"], body, headers)
        with urllib.request.urlopen(request, timeout=240) as answer:
            assert len(json.load(answer)["predictions"]) == len(rows[first : first + 50])


def drift_alerts(desk: Desk) -> list[dict[str, Any]]:
    found = [one for one in desk.json("alerts", "list") if one["rule"].startswith("drift")]
    return [one for one in found if one["ended_at"] is None]


@pytest.fixture(scope="module")
def model(desk: Desk, place: Path, training_image: str, serving: dict[str, str]) -> str:
    """Return the version that a job has trained."""
    (place / "job.yaml").write_text(SPEC.format(image=training_image))
    job = desk.json("jobs", "submit", str(place / "job.yaml"))
    final = {"succeeded", "failed", "cancelled", "unknown"}
    job = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda job: job["state"] in final)
    assert job["state"] == "succeeded", desk.json("jobs", "logs", job["id"])
    for key, value in serving.items():
        desk.json("settings", "set", key, value)
    return "cells/1"


def test_moved_data_ring_and_others_do_not(desk: Desk, place: Path, receiver: Receiver, model: str) -> None:
    endpoint = desk.json("endpoints", "deploy", model, "--name", "cells")
    assert endpoint["state"] == "live", endpoint["reason"]

    # The desk proposes a monitor, which waits; a person makes two more, with references of their own.
    waiting = desk.wait(lambda: desk.json("drift", "monitors", "list"), len)
    assert [(one["monitor"]["name"], one["state"]) for one in waiting] == [("cells", "waiting")]
    names = {"cells"}
    for kind in ("csv", "parquet"):
        file = place / "data" / f"cells.{kind}"
        words = ("--endpoint", "cells", "--reference-file", str(file), "--targets", "benign", "--rows", str(WINDOW))
        made = desk.json("drift", "monitors", "create", f"cells-{kind}", *words, "--check-every", "5")
        names.add(made["monitor"]["name"])
    assert not drift_alerts(desk)

    # As it was: all of them look at three windows, and nothing rings.
    frame = cells()
    ask(endpoint, records(frame.sample(3 * WINDOW, random_state=2)))
    for name in names:
        told = desk.wait(lambda name=name: desk.json("drift", "history", name), lambda found: len(found) >= 3)
        assert not any(one["alarm"] for one in told), told
    fine = desk.json("drift", "monitors", "list")
    assert {one["state"] for one in fine} == {"fine"}, fine
    assert not drift_alerts(desk)

    # What the version was trained on lies with its run by now, for any desk of the registry.
    def shown() -> list[dict[str, Any]]:
        return desk.json("drift", "profile", "cells/1")  # type: ignore[no-any-return]  # JSON

    (profile,) = desk.wait(shown, lambda found: found[0]["path"] is not None)
    assert (profile["n_rows"], profile["problem"], profile["monitors"]) == (len(frame), None, ["cells"])
    kinds = {column["name"]: column["kind"] for column in profile["columns"]}
    assert (kinds["radius"], kinds["clinic"], kinds["is_large"], kinds["seen"]) == (
        "numeric", "categorical", "boolean", "time"
    )  # fmt: skip
    assert profile["path"] in {one["path"] for one in desk.json("runs", "artifacts", profile["run_id"], "drift")}

    # Moved: radius by two millimetres, and more of one clinic; all else as before.
    moved = frame.assign(radius=frame["radius"] + 2.0, clinic=frame["clinic"].replace("north", "south"))
    ask(endpoint, records(moved.sample(3 * WINDOW, random_state=4)))
    alerts = desk.wait(lambda: drift_alerts(desk), lambda found: {one["device"] for one in found} == names)
    assert len(alerts) == len(names), "one for each monitor, never one for each column"
    for alert in alerts:
        assert (alert["rule"], alert["title"], alert["level"]) == ("drift", "Data have drifted", "alert")
        assert "radius" in alert["text"]
        assert "clinic" in alert["text"]
        assert alert["command"].startswith("mlops-desk endpoints requests cells --since ")
    for name in names:
        assert set(desk.json("drift", "monitors", "show", name)["since"]) == {"radius", "clinic"}
    desk.wait(lambda: receiver.told("drift"), lambda found: len(found) == len(names))
    rows = desk.json(*alerts[0]["command"].split()[1:], "--limit", "5")
    assert rows

    # Its windows are judged again with the same verdict, and another agent neither rings again nor forgets.
    newest = desk.json("drift", "history", "cells")[-1]
    again = desk.json("drift", "monitors", "recompute", newest["id"])
    assert (again["verdict"], again["columns"]) == (newest["verdict"], newest["columns"])
    before = {one["id"] for one in drift_alerts(desk)}
    desk.json("agent", "stop")
    desk.wait(lambda: desk.json("drift", "monitors", "show", "cells"), lambda one: one["checked_at"] is not None)
    assert {one["id"] for one in drift_alerts(desk)} == before
    assert len(receiver.told("drift")) == len(names)


def wards(n: int, seed: int) -> Any:
    """Return so many rows like the table's, of which one in twenty comes from the east."""
    import numpy as np

    some = np.random.default_rng(seed)
    found = cells().sample(n, replace=True, random_state=seed).reset_index(drop=True)
    for name in ("radius", "texture", "smoothness", "symmetry"):
        found[name] += some.normal(0, 0.05 * found[name].std(), n)
    return found.assign(clinic=some.choice(["north", "south", "east"], n, p=[0.6, 0.35, 0.05]))


def test_a_segment_that_moves_alone_rings_and_is_named(desk: Desk, place: Path, receiver: Receiver, model: str) -> None:
    """Of the whole it is a twentieth: no column of the whole drifts, and one notice names clinic, column and since when."""
    endpoint = desk.json("endpoints", "deploy", model, "--name", "wards")
    assert endpoint["state"] == "live", endpoint["reason"]
    own = {"wards"}
    desk.wait(lambda: own & {one["monitor"]["name"] for one in desk.json("drift", "monitors", "list")}, len)
    desk.json("drift", "monitors", "pause", "wards")  # the desk's own, held against other shares of clinics
    file = place / "data" / "wards.csv"
    wards(4000, 1).to_csv(file, index=False)
    words = ("--endpoint", "wards", "--reference-file", str(file), "--targets", "benign", "--rows", "1500")
    made = desk.json("drift", "monitors", "create", "by-clinic", *words, "--check-every", "5", "--segment", "clinic")
    assert made["monitor"]["segment"] == "clinic"

    ask(endpoint, records(wards(1500, 2)))
    told = desk.wait(lambda: desk.json("drift", "history", "by-clinic"), len)
    assert not told[0]["alarm"], told
    moved = wards(3000, 3)
    moved.loc[moved["clinic"] == "east", "radius"] += 4.5
    ask(endpoint, records(moved))
    told = desk.wait(lambda: desk.json("drift", "history", "by-clinic"), lambda found: len(found) >= 3)
    assert [one["verdict"] in {"drift", "critical"} for one in told] == [False] * 3, "the whole hardly moves"
    assert [one["alarm"] for one in told] == [False, False, True]

    shown = desk.json("drift", "monitors", "show", "by-clinic")
    assert (shown["state"], shown["since"]) == ("turned", {})
    turned = [one for one in shown["segments"]["segments"] if one["alarm"]]
    assert [(one["value"], list(one["since"])) for one in turned] == [("east", ["radius"])]
    assert turned[0]["turned_at"] == told[1]["window_start"]
    (alert,) = desk.wait(lambda: [one for one in drift_alerts(desk) if one["device"] == "by-clinic"], len)
    assert "segments by clinic" in alert["text"]
    assert "«east» (radius)" in alert["text"]
    assert "north" not in alert["text"]
    desk.wait(lambda: [one for one in receiver.told("drift") if "by-clinic" in json.dumps(one)], len)

    # Another agent goes on with what was known.
    desk.json("agent", "stop")
    again = desk.wait(lambda: desk.json("drift", "monitors", "show", "by-clinic"), lambda one: one["checked_at"])
    assert [one["value"] for one in again["segments"]["segments"] if one["alarm"]] == ["east"]
    window = desk.json("drift", "monitors", "recompute", told[-1]["id"])
    assert window["segments"] == told[-1]["segments"]
