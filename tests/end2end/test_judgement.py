"""The demo shows what is judged: errors, kills, throttling, alerts, verdicts, an absence, the metrics page."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("judgement"))
    ask(desk, "status")
    yield desk
    desk.run("--demo", "agent", "stop", "--all", check=False)


def ask(desk: Desk, *words: str) -> Any:
    return desk.json("--demo", *words)


def test_events_of_every_kind_are_told_and_each_can_be_shown(desk: Desk) -> None:
    # Throttling begins at the demonstration's own hours, not within any two minutes: unit/events has it.
    events = desk.wait(
        lambda: ask(desk, "events"), lambda found: {"agent", "oom", "alert", "xid"} <= {e["kind"] for e in found}
    )
    for event in events:
        assert ask(desk, "events", "show", event["id"])["title"] == event["title"]
    grave = ask(desk, "events", "--since", "-1h", "--level", "warning", "--limit", "3")
    assert all(event["level"] != "info" for event in grave)
    assert len(grave) <= 3


def test_the_minutes_around_an_error_can_be_read_again(desk: Desk) -> None:
    events = desk.wait(lambda: ask(desk, "events"), lambda found: any(event["recorded"] for event in found))
    event = next(event for event in events if event["recorded"])
    recording = ask(desk, "events", "recording", event["id"], "--device", "host")
    assert {curve["device"] for curve in recording["curves"]} == {"host"}
    assert recording["start"] < event["at"] < recording["start"] + recording["buckets"] * recording["step_seconds"]


def test_alerts_fire_once_and_can_be_acknowledged(desk: Desk) -> None:
    alerts = desk.wait(lambda: ask(desk, "alerts", "list"), bool)
    assert len({(alert["rule"], alert["device"], alert["subject"]) for alert in alerts}) == len(alerts)
    seen = ask(desk, "alerts", "acknowledge", alerts[0]["id"])
    assert seen["acknowledged_by"]
    newest = ask(desk, "audit")[0]
    assert newest["verb"] == "alerts.acknowledge"
    was = json.loads(newest["before"])
    assert (was["id"], was["acknowledged_by"]) == (seen["id"], None)
    assert ask(desk, "alerts", "show", seen["id"][:8])["acknowledged_by"] == seen["acknowledged_by"]


def test_a_process_of_ones_own_can_be_ended_and_another_users_not(desk: Desk) -> None:
    user = ask(desk, "status")["agent"]["user"]
    listed = [process for gpu in ask(desk, "gpus", "list") for process in gpu["processes"]]
    own = next(process for process in listed if process["user"] == user)
    others = next(process for process in listed if process["user"] != user)
    refused = desk.run(
        "--demo", "gpus", "end-process", str(others["pid"]), "--start-ticks", str(others["start_ticks"]), check=False
    )
    assert refused.returncode == 1
    assert f"belongs to {others['user']}, not to {user}" in refused.stderr
    ended = ask(desk, "gpus", "end-process", str(own["pid"]), "--start-ticks", str(own["start_ticks"]))
    assert ended["pid"] == own["pid"]
    desk.wait(
        lambda: [process["pid"] for gpu in ask(desk, "gpus", "list") for process in gpu["processes"]],
        lambda pids: own["pid"] not in pids,
    )


def test_a_used_gpu_has_a_verdict_with_its_measurements(desk: Desk) -> None:
    status = desk.wait(lambda: ask(desk, "status"), lambda status: status["diagnoses"])
    used = {gpu["uuid"] for gpu in status["gpus"]}
    for verdict in status["diagnoses"]:
        assert verdict["device"] in used
        assert verdict["title"]


def test_an_absence_tells_of_jobs_and_gpus(desk: Desk) -> None:
    absence = desk.wait(
        lambda: ask(desk, "events", "absence", "--since", "-1h"), lambda found: found["jobs"] and found["busy_ratio"]
    )
    assert all(0.0 <= ratio <= 1.0 for ratio in absence["busy_ratio"].values())


def test_the_metrics_page_opens_with_the_token_only(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ask(desk, "settings", "set", "metrics.port", str(port))
    ask(desk, "settings", "set", "metrics.enabled", "on")
    check = next(check for check in ask(desk, "doctor") if check["name"] == "metrics endpoint")
    assert check["state"] == "ok"
    token = (desk.folder / "demo" / "metrics.token").read_text().strip()
    asked = urllib.request.Request(check["text"].partition(";")[0], headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        page = answer.read().decode()
    assert "hw_gpu_utilization_ratio{" in page
    assert "DCGM_FI_DEV_GPU_UTIL{" in page
    assert token not in check["text"]
