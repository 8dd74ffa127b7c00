"""An agent of today opens a data folder of version 0.1.0, as it was left on another machine, and finds everything.

The folder was recorded with the code of commit 1e1bbff: a setting and an alert rule were changed, a job with a run in
the registry was followed to its end, and the machine was sampled for two minutes and a half. What lasts for one start
alone (locks, ports, logs, the server's token) was left out.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]

RECORDED = Path(__file__).with_name("data_of_0_1_0.tar.gz")
JOB, RUN = "e4a28e021ba6", "afe06fc9055a4df6b6aca83102b373cc"
BEGAN, ENDED = 1796640997.0, 1796641148.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with tarfile.open(RECORDED) as archive:
        archive.extractall(folder, filter="data")
    desk = Desk(folder, {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    yield desk
    desk.stop()


def test_a_data_folder_of_version_0_1_0_is_opened_with_all_that_is_in_it(desk: Desk) -> None:
    (job,) = desk.json("jobs", "list")
    assert (job["id"], job["name"], job["state"], job["exit_code"]) == (JOB, "of-before", "failed", 3)
    shown = desk.json("jobs", "show", JOB)
    assert (shown["reason"]["class"], len(shown["attempts"]), shown["mlflow_run_id"]) == ("exit_nonzero", 1, RUN)
    assert shown["submitted_at"] < shown["started_at"] < shown["ended_at"] < ENDED
    assert desk.run("jobs", "logs", JOB).stdout == "first line\nlast line\n"

    assert desk.json("settings", "show", "jobs.stop_grace_seconds")["value"] == 17
    rule = desk.json("alerts", "rule", "host_memory")
    assert (rule["threshold"], rule["level"]) == (0.03, "alert")
    assert {"settings.set", "alerts.configure", "jobs.submit"} <= {one["verb"] for one in desk.json("audit")}

    span = ("--from", str(BEGAN), "--to", str(ENDED), "--points", "500")
    curve = desk.json("history", "system.cpu.utilization", "--device", "host", *span)
    assert sum(mean is not None for mean in curve["mean"]) > 100

    (run,) = desk.json("runs", "list", "--experiment", "before")
    assert (run["run_id"], run["status"], run["tags"]["mlops_desk.job"]) == (RUN, "FAILED", JOB)
