"""Answers of a served model against what turned out, on a real engine: labels come by the gateway and by a file.

A model answers real data; the first answers, labelled by a caller, are what later ones are held against. Then labels
come as before, later labels turn round, and some come late. What moved is in the alerts, the events and at a webhook,
once; what the model answers is judged like any column, by its first quiet windows.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.cells import SPEC, WINDOW, cells, project, records, watching
from tests.end2end.desk import Desk
from tests.end2end.test_alert_scenarios import Receiver

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

BATCH = 50
Given = dict[tuple[str, int], int]
"""By request id and row, what turned out."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Desk]:
    with watching(tmp_path_factory.mktemp("desk") / "data", receiver) as desk:
        yield desk


def called(endpoint: dict[str, Any], body: bytes, path: str = "") -> tuple[Any, str]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint['token']}"}
    url = f"{endpoint['url'].removesuffix('/invocations')}{path}" if path else endpoint["url"]
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=110) as answer:
        return json.load(answer), answer.headers["x-request-id"]


def ask(endpoint: dict[str, Any], rows: Any) -> Given:
    """Ask for rows; return what turned out of each, which nobody has said yet."""
    found: Given = {}
    for first in range(0, len(rows), BATCH):
        some = rows.iloc[first : first + BATCH]
        told, request_id = called(endpoint, json.dumps({"dataframe_records": records(some)}).encode())
        assert len(told["predictions"]) == len(some)
        found |= {(request_id, at): int(benign) for at, benign in enumerate(some["benign"])}
    return found


def say(endpoint: dict[str, Any], labels: Given) -> None:
    """Tell the gateway what turned out, as the caller's own program would."""
    told = [{"request_id": name, "row": row, "benign": benign} for (name, row), benign in labels.items()]
    called(endpoint, json.dumps({"feedback": told}).encode(), "/feedback")


def answer_alerts(desk: Desk) -> list[dict[str, Any]]:
    found = [one for one in desk.json("alerts", "list") if one["rule"].startswith("drift")]
    return [one for one in found if one["ended_at"] is None]


def scored(desk: Desk, n: int) -> Any:
    """Wait until so many windows have labels; return all of them, oldest first."""

    def told(found: dict[str, Any]) -> bool:
        return sum(one["counts"] is not None and one["counts"]["n_used"] > 0 for one in found["windows"]) >= n

    return desk.wait(lambda: desk.json("drift", "performance", "--monitor", "cells"), told, 240)


def test_labels_that_turn_ring_once_and_late_ones_are_scored_again(
    desk: Desk, place: Path, receiver: Receiver, training_image: str, serving: dict[str, str]
) -> None:
    (place / "job.yaml").write_text(SPEC.format(image=training_image))
    job = desk.json("jobs", "submit", str(place / "job.yaml"))
    final = {"succeeded", "failed", "cancelled", "unknown"}
    job = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda job: job["state"] in final, 300)
    assert job["state"] == "succeeded", desk.json("jobs", "logs", job["id"])
    for key, value in serving.items():
        desk.json("settings", "set", key, value)
    endpoint = desk.json("endpoints", "deploy", "cells/1", "--name", "cells", timeout=600)
    assert endpoint["state"] == "live", endpoint["reason"]

    # Before the first request: the monitor waits, and its answers with it.
    (waiting,) = desk.wait(lambda: desk.json("drift", "monitors", "list"), len, 240)
    assert (waiting["state"], waiting["predictions"]["state"]) == ("waiting", "waiting")
    assert "prediction" in waiting["predictions"]["hint"]

    # The first answers, with labels by the gateway: what later ones are held against. Answers are pinned by quiet windows.
    frame = cells()
    began = time.time() - 1
    say(endpoint, ask(endpoint, frame.sample(4 * WINDOW, replace=True, random_state=2)))
    desk.wait(lambda: desk.json("drift", "history", "cells"), lambda found: len(found) >= 4, 240)
    held = desk.wait(
        lambda: desk.json("drift", "monitors", "show", "cells"),
        lambda one: one["predictions"]["state"] == "watched",
        60,
    )["predictions"]["held"]
    assert (held["columns"], held["is_logged"], held["n_rows"]) == (["prediction"], False, 4 * WINDOW)
    span = ("--answers-from", str(began), "--answers-to", str(time.time()))
    desk.json("drift", "monitors", "configure", "cells", "--label", "benign", *span)
    first = scored(desk, 4)
    accuracy = first["windows"][-1]["figures"]["accuracy"]
    assert 0.7 < accuracy["low"] < accuracy["value"] < accuracy["high"] <= 1.0
    assert first["reference_counts"]["n_used"] == 4 * WINDOW
    assert not any(one["alarm"] for one in first["windows"])

    # As before, labels as a file; of the first of the two windows some lack.
    given = ask(endpoint, frame.sample(2 * WINDOW, replace=True, random_state=3))
    late = dict([*given.items()][:BATCH])
    lines = [f"{name},{row},{benign}" for (name, row), benign in given.items() if (name, row) not in late]
    (place / "labels.csv").write_text("request_id,row,benign\n" + "\n".join(lines) + "\n")
    desk.json("endpoints", "feedback", "cells", str(place / "labels.csv"))
    assert len(scored(desk, 6)["windows"]) == 6
    assert not answer_alerts(desk)
    assert not receiver.told("drift_answers")
    assert not receiver.told("drift")

    # The same rows have other labels now: nothing of the inputs has moved, and the answers are wrong.
    turned = ask(endpoint, frame.sample(2 * WINDOW, replace=True, random_state=4))
    say(endpoint, {key: 1 - benign if at % 5 < 2 else benign for at, (key, benign) in enumerate(turned.items())})
    (alert,) = desk.wait(lambda: answer_alerts(desk), len, 240)
    assert (alert["rule"], alert["device"]) == ("drift_answers", "cells")
    assert alert["title"] == "Answers have become worse"
    assert "The error has risen" in alert["text"] or "Accuracy" in alert["text"]
    assert alert["command"] == "mlops-desk drift monitors performance cells"
    (told,) = desk.wait(lambda: receiver.told("drift_answers"), len, 240)
    assert told["text"] == alert["text"]
    events = [one for one in desk.json("events", "list") if "cells" in json.dumps(one) and "drift" in json.dumps(one)]
    assert any("Answers have become worse" in json.dumps(one) for one in events), events
    standing = desk.json("drift", "monitors", "show", "cells")
    assert (standing["state"], standing["answers"]["state"], standing["since"]) == ("turned", "turned", {})

    # Labels that come late are scored again, and what was said before stays beside.
    before = desk.json("drift", "performance", "--monitor", "cells")["windows"][4]
    say(endpoint, late)
    after = desk.wait(
        lambda: desk.json("drift", "performance", "--monitor", "cells")["windows"][4], lambda one: one["n_late"] > 0, 60
    )
    assert after["counts"]["n_used"] == before["counts"]["n_used"] + BATCH
    assert [one["n_used"] for one in after["said"]] == [before["counts"]["n_used"], after["counts"]["n_used"]]

    # Another agent says the same and rings nobody again.
    desk.json("agent", "stop")
    again = desk.wait(
        lambda: desk.json("drift", "monitors", "show", "cells"), lambda one: one["checked_at"] is not None, 60
    )
    assert (again["state"], again["answers"]["state"]) == ("turned", "turned")
    assert [one["id"] for one in answer_alerts(desk)] == [alert["id"]]
    assert len(receiver.told("drift_answers")) == 1
