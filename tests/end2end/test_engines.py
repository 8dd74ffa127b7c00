"""Two engines of one agent: jobs go where they are sent, and one that freezes or is away holds up no other."""

import json

import pytest

from tests.end2end.desk import Desk
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image

pytestmark = [pytest.mark.engine, pytest.mark.end2end]

TEXT = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: {image}\ncommand: [sh, -c, {command!r}]\n"


@pytest.fixture
def desk(tmp_path, gpu_engine: PrivateEngine):
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    desk.folder.mkdir(mode=0o700)
    others = f"lab={gpu_engine.address} gone=unix://{tmp_path}/nobody.sock"
    (desk.folder / "settings.json").write_text(f'{{"engine.others": "{others}"}}')
    yield desk
    gpu_engine.thaw()
    for job in desk.json("jobs", "list"):
        if job["state"] in {"queued", "starting", "running"}:
            desk.run("jobs", "cancel", job["id"], check=False)  # one that ends meanwhile needs none
            desk.wait(lambda job=job: desk.json("jobs", "show", job["id"]), lambda job: job["ended_at"] is not None)
    desk.stop()


def submit(desk: Desk, image: str, command: str, *words: str):
    file = desk.folder / "job.yaml"
    file.write_text(TEXT.format(image=image, command=command))
    return desk.json("jobs", "submit", str(file), *words)


def ended(desk: Desk, job_id: str):
    return desk.wait(
        lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] in {"succeeded", "failed", "unknown"}
    )


def test_jobs_go_where_they_are_sent_and_a_frozen_engine_holds_up_no_other(
    desk: Desk, gpu_engine: PrivateEngine
) -> None:
    here, there = busybox_image(), busybox_image(gpu_engine.address)
    first = submit(desk, there, "echo there; sleep 30", "--runtime", "lab")
    assert first["runtime"] == "lab"
    running = desk.wait(lambda: desk.json("jobs", "show", first["id"]), lambda job: job["state"] == "running")
    assert running["handle"] == running["container"]
    assert running["attempts"][0]["runtime"] == "lab"
    assert "runs on" in desk.run("jobs", "show", first["id"]).stdout

    checks = {check["name"]: check["state"] for check in json.loads(desk.run("doctor", "--json", check=False).stdout)}
    assert checks["container engine lab"] in {"ok", "warning"}
    assert checks["container engine gone"] == "problem"
    assert "Engines: local, lab, gone" in desk.run("status").stdout

    waits = submit(desk, here, "true", "--runtime", "gone")
    gpu_engine.freeze()
    began = [submit(desk, here, "echo here") for _ in range(2)]
    for job in began:
        assert ended(desk, job["id"])["state"] == "succeeded"
        assert desk.run("jobs", "logs", job["id"]).stdout == "here\n"
    lost = desk.wait(lambda: desk.json("jobs", "show", first["id"]), lambda job: job["reason"] is not None)
    assert (lost["state"], lost["reason"]["class"]) == ("running", "engine_unavailable")
    gone = desk.wait(lambda: desk.json("jobs", "show", waits["id"]), lambda job: job["reason"] is not None)
    assert (gone["state"], gone["reason"]["class"]) == ("blocked", "engine_unavailable")
    gpu_engine.thaw()
    again = desk.wait(lambda: desk.json("jobs", "show", first["id"]), lambda job: job["reason"] is None)
    assert again["state"] == "running"
    assert desk.run("jobs", "logs", first["id"]).stdout == "there\n"
