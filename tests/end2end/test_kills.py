"""A real kill for lack of memory in a real container, through the real agent: one entry, one alert, with its names."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.images import busybox_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

JOB = """
apiVersion: mlops-desk/v1
kind: Job
name: eater
image: {image}
command: [sh, -c, "sleep 3; tail /dev/zero"]
resources: {{memory: 64MiB}}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    yield desk
    desk.stop()


def test_a_job_killed_for_lack_of_memory_is_one_entry_and_one_alert_with_program_container_and_job(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text(JOB.format(image=busybox_image()))
    desk.json("status")  # the agent counts from its start on
    job = desk.json("jobs", "submit", str(tmp_path / "job.yaml"))
    job = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda found: found["state"] == "failed")
    assert job["reason"]["class"] == "oom_kernel"

    def told() -> list[dict[str, object]]:
        return [entry for entry in desk.json("events") if entry["details"].get("job") == "eater"]

    named = os.access("/dev/kmsg", os.R_OK)  # elsewhere the program's name is not to be had
    (entry,) = desk.wait(told, lambda found: found and (not named or "command" in found[0]["details"]))
    assert (entry["kind"], entry["details"]["job_id"]) == ("oom", job["id"])
    assert entry["details"]["container"] == job["attempts"][0]["container"]
    assert entry["details"].get("command") == ("tail" if named else None)
    alerts = desk.wait(
        lambda: [alert for alert in desk.json("alerts", "list") if alert["rule"] == "host_oom"], lambda found: found
    )
    mine = [alert for alert in alerts if alert["job"] == "eater"]
    assert [(alert["device"], alert["event"]) for alert in mine] == [("host", entry["id"])]
    assert len(told()) == 1
