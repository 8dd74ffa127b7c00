"""How all that a job needs stands, before it is queued; and an exported job on another machine, by the service."""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.provenance.data_identity import data_identities
from mlops_desk.jobs.provenance.image_plan import image_plan
from mlops_desk.jobs.provenance.requirements import Asked, Requirements
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.provenance import Capsule, Hardware, ImageIdentity, Standing, Verdict
from mlops_desk.jobs.records.spec import Build, JobSpec, Mount, Resources, Source
from mlops_desk.kit.base.errors import Refused, Unavailable
from tests.unit.jobs.test_service import HEAD, Desk, desk

__all__ = ["desk"]

ID, DIGEST = "sha256:" + "1" * 64, "img@sha256:" + "2" * 64
FIRST = ImageIdentity(ID, DIGEST, ("sha256:3",))


class Runtime:
    """Knows some images, has some cards, and refuses what it is told to."""

    def __init__(self, images=None, cards=(), refused=()):
        self.images, self._cards, self.refused = images or {}, cards, refused
        self.asked = []

    def identity(self, reference):
        self.asked.append(reference)
        found = self.images.get(reference)
        if isinstance(found, Exception):
            raise found
        return found

    def cards(self):
        if isinstance(self._cards, Exception):
            raise self._cards
        return self._cards

    def accept(self, spec, _uid):
        for name in (*spec.secrets, *(mount.source for mount in spec.mounts)):
            if name in self.refused:
                raise Refused(f"{name} is refused.", "Do otherwise.")
        return spec


def planned(images, first=FIRST, image_id=None, **spec):
    plan = image_plan(Runtime(images), replace(JobSpec("a", "img"), **spec), first, image_id)
    return plan.requirement.standing, plan.reference, plan.image_id


def test_the_very_image_is_taken_where_it_is_here():
    assert planned({ID: FIRST}) == (Standing.SAME, "img", ID)
    local = replace(FIRST, id="sha256:other")
    assert planned({DIGEST: local}) == (Standing.SAME, "img", "sha256:other")
    assert planned({"img": local}) == (Standing.SAME, "img", "sha256:other")  # the same layers under its name
    assert planned({ID: FIRST}, ImageIdentity(), ID) == (Standing.SAME, "img", ID)


def test_one_that_is_not_here_is_pulled_by_its_digest_and_not_by_its_name():
    assert planned({}) == (Standing.FETCHED, DIGEST, None)
    assert planned({"img": ImageIdentity("sha256:x", None, ("sha256:other",))}) == (Standing.FETCHED, DIGEST, None)


def test_one_without_a_digest_is_told_to_differ_or_not_to_be_known():
    bare = ImageIdentity(ID, None, ("sha256:3",))
    assert planned({}, bare) == (Standing.UNKNOWN, "img", None)
    assert planned({}, bare, build=Build("/c"))[0] is Standing.UNKNOWN
    other = ImageIdentity("sha256:x", None, ("sha256:y",))
    assert planned({"img": other}, bare) == (Standing.DIFFERS, "img", "sha256:x")
    assert planned({"img": ImageIdentity(None)}, ImageIdentity()) == (Standing.UNKNOWN, "img", None)
    assert planned({ID: Unavailable("down")})[0] is Standing.UNKNOWN


def test_what_a_file_says_is_an_image_is_no_name_to_look_up():
    """An id that is a name would find whatever is called so here, and call it the same."""
    evil = ImageIdentity("sha256:evil")
    for first in (ImageIdentity("alpine"), ImageIdentity(None, "alpine"), ImageIdentity("--all", "../x@sha256:1")):
        assert planned({"alpine": evil, "--all": evil, "../x@sha256:1": evil}, first)[0] is Standing.UNKNOWN
        runtime = Runtime()
        image_plan(runtime, JobSpec("a", "img"), first, None)
        assert runtime.asked == ["img"]
    assert planned({ID: evil}, ImageIdentity(ID))[0] is Standing.UNKNOWN  # an engine that answers with another one


def asked(spec, first=None, **runtime):
    first = first or Capsule(image=FIRST)
    here = Runtime({ID: FIRST}, **runtime)
    return Asked(spec, os.getuid(), here, first, image_plan(here, spec, first.image, None))


def found(spec, first=None, hardware=None, has_code=lambda _sha: True, **runtime):
    whole = Requirements(hardware, has_code).of(asked(spec, first, **runtime))
    return {one.what: (one.standing, one.text, one.hint) for one in whole}


def card(number, name="NVIDIA H100", state=CardState.FREE):
    return GpuCard(f"GPU-{number}", number, name, state, memory_bytes=80 << 30)


def test_gpus_have_to_be_enough_of_the_model_and_not_broken():
    spec = JobSpec("a", "img", resources=Resources(gpus=2))
    first = Capsule(image=FIRST, gpu_models=("NVIDIA H100",))
    assert found(spec, first, cards=(card(0), card(1)))["gpus"][0] is Standing.SAME
    assert found(spec, first, cards=(card(0), card(1, state=CardState.FAULTED)))["gpus"][0] is Standing.MISSING
    assert found(spec, first, cards=(card(0),))["gpus"][0] is Standing.MISSING
    a100 = tuple(card(number, "NVIDIA A100") for number in range(2))
    standing, text, _ = found(spec, first, cards=a100)["gpus"]
    assert (standing, text) == (Standing.DIFFERS, "The GPUs NVIDIA H100 → NVIDIA A100.")
    assert found(spec, Capsule(), cards=a100)["gpus"][0] is Standing.UNKNOWN
    assert found(spec, first, cards=None)["gpus"][0] is Standing.UNKNOWN
    assert found(spec, first, cards=Unavailable("no driver"))["gpus"][0] is Standing.UNKNOWN
    model = replace(spec, resources=Resources(gpus=2, gpu_model="H100*"))
    assert found(model, first, cards=a100)["gpus"][0] is Standing.MISSING
    uuids = replace(spec, resources=Resources(gpus=1, gpu_uuids=("GPU-9",)))
    standing, text, hint = found(uuids, first, cards=a100)["gpus"]
    assert (standing, "GPU-9" in text, "gpu_uuids" in hint) == (Standing.MISSING, True, True)
    assert "gpus" not in found(JobSpec("a", "img"), first)


def test_the_driver_is_compared_where_there_are_gpus():
    spec = JobSpec("a", "img", resources=Resources(gpus=1))
    first = Capsule(image=FIRST, driver="550")
    for now, standing in (("550", Standing.SAME), ("560", Standing.DIFFERS), (None, Standing.UNKNOWN)):
        told = found(spec, first, lambda _gpus, now=now: Hardware(now), cards=(card(0),))
        assert told["driver"][0] is standing
    assert "driver" not in found(JobSpec("a", "img"), first, lambda _gpus: Hardware("560"))


def test_code_is_the_snapshot_or_it_is_said():
    spec = JobSpec("a", "img", source=Source("/code"))
    first = Capsule(image=FIRST, source_sha256="f")
    assert found(spec, first)["code"][0] is Standing.SAME
    assert found(spec, first, has_code=lambda _sha: False)["code"][0] is Standing.MISSING
    assert found(spec, Capsule())["code"][0] is Standing.UNKNOWN


@pytest.mark.slow
def test_data_are_there_the_same_or_others_or_not_there(tmp_path):
    (tmp_path / "a").write_text("1")
    spec = JobSpec("a", "img", mounts=(Mount(str(tmp_path), "/data"),))
    (known,) = data_identities(spec, os.getuid(), 20.0)
    first = Capsule(image=FIRST, data=(known,))
    assert found(spec, first)["data"][0] is Standing.SAME
    (tmp_path / "b").write_text("2")
    standing, text, hint = found(spec, first)["data"]
    assert (standing, text) == (Standing.DIFFERS, "Data /data has 1 more file.")
    assert "--data /data=" in hint
    assert found(spec, Capsule(image=FIRST))["data"][0] is Standing.UNKNOWN
    gone = replace(spec, mounts=(Mount("/no/such", "/data"),))
    assert found(gone, first, refused=("/no/such",))["data"][0] is Standing.MISSING
    assert found(gone, first)["data"][0] is Standing.UNKNOWN  # the runtime says nothing against it
    assert "data" not in found(replace(spec, mounts=(Mount(str(tmp_path), "/d", "rw"),)), first)


def test_secrets_are_named_and_what_else_is_refused_is_said():
    spec = JobSpec("a", "img", secrets=("TOKEN",))
    assert found(spec)["secret"][0] is Standing.SAME
    told = found(spec, refused=("TOKEN",))
    assert told["secret"] == (Standing.MISSING, "TOKEN is refused.", "Do otherwise.")
    assert "job" not in told
    rw = JobSpec("a", "img", mounts=(Mount("/x", "/x", "rw"),))
    assert found(rw, refused=("/x",))["job"][0] is Standing.MISSING


# -- by the service ----------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another machine."""
    monkeypatch.setattr("mlops_desk.jobs.run.runner._TICK_SECONDS", 0.05)
    there = Desk(tmp_path / "other")
    yield there
    there.end()


@pytest.fixture
def file(other, tmp_path):
    code, data = tmp_path / "code", tmp_path / "set"
    code.mkdir()
    data.mkdir()
    (code / "train.py").write_text("print(1)\n")
    (data / "a").write_text("1")
    text = f"command: [short]\nsource: {{folder: {code}}}\nmounts: [{{source: {data}, target: /data}}]\nseed: 3\n"
    job = other.wait(other.jobs.submit(HEAD + text).id, JobState.SUCCEEDED)
    path = tmp_path / "a.mldcapsule"
    other.jobs.export(job.id, str(path))
    return job, str(path)


@pytest.mark.slow
def test_an_exported_job_is_shown_and_queued_and_linked(desk, file, tmp_path):
    job, path = file
    data = {"/data": str(tmp_path / "set")}
    shown = desk.jobs.preview_import(path, data=data, network=True)
    assert (shown.origin.job_id, shown.ready, shown.code_files) == (job.id, True, 1)
    assert {one.what: one.standing for one in shown.requirements} == {
        "image": Standing.SAME, "code": Standing.SAME, "data": Standing.SAME, "network": Standing.SAME
    }  # fmt: skip
    assert desk.jobs.list() == []
    assert not (desk.folder.sources / "snapshots").exists()
    queued = desk.jobs.submit_import(path, data=data, network=True)
    assert (queued.spec, queued.image_id) == (job.spec, job.image_id)
    assert queued.capsule.source_sha256 == job.capsule.source_sha256
    assert (queued.imported.job_id, queued.imported.host) == (job.id, shown.origin.host)
    ended = desk.wait(queued.id, JobState.SUCCEEDED)
    deadline = 50
    while ended.imported.verdict is not Verdict.SAME and deadline:
        deadline -= 1
        desk.loop.ending.wait(0.1)
        ended = desk.jobs.show(queued.id)
    assert ended.imported.verdict is Verdict.SAME, ended.imported.drifts
    # And it is repeated as any other, also with its code gone from where it was written.
    assert desk.jobs.rerun(queued.id).capsule.source_sha256 == job.capsule.source_sha256


@pytest.mark.slow
def test_what_an_exported_job_waited_for_is_told_as_lost_before_and_after_it_is_queued(desk, other, tmp_path):
    first = other.wait(other.jobs.submit(HEAD + "command: [short]\n").id, JobState.SUCCEEDED)
    waits = f"command: [short]\nafter: [{first.id}]\nafterSuccess: [{first.id}]\n"
    job = other.wait(other.jobs.submit(HEAD + waits).id, JobState.SUCCEEDED)
    path = str(tmp_path / "waits.mldcapsule")
    other.jobs.export(job.id, path)
    notes = [(note.option, note.value, note.lost) for note in desk.jobs.preview_import(path).origin.notes]
    assert notes == [("after", first.id, True), ("afterSuccess", first.id, True)]
    queued = desk.jobs.submit_import(path, network=True)
    assert (queued.spec.after, queued.spec.after_success) == ((), ())
    assert [note.option for note in desk.jobs.show(queued.id).imported.notes] == ["after", "afterSuccess"]


@pytest.mark.slow
def test_data_that_lie_elsewhere_are_mapped_and_what_is_missing_is_said(desk, file, tmp_path):
    _, path = file
    (tmp_path / "set").rename(tmp_path / "moved")
    where_it_was = {"/data": str(tmp_path / "set")}
    shown = desk.jobs.preview_import(path, data=where_it_was, network=True)
    assert (shown.ready, [one.name for one in shown.requirements if one.standing is Standing.MISSING]) == (
        False,
        ["/data"],
    )
    with pytest.raises(Refused):
        desk.jobs.submit_import(path, data=where_it_was, network=True)
    assert desk.jobs.list() == []
    assert not (desk.folder.sources / "snapshots").exists()
    mapped = desk.jobs.preview_import(path, data={"/data": str(tmp_path / "moved")}, network=True)
    assert mapped.ready
    assert [(one.path, one.b) for one in mapped.differs] == [('spec.mounts["/data"].source', str(tmp_path / "moved"))]
    queued = desk.jobs.submit_import(path, {"params.lr": "1"}, {"/data": str(tmp_path / "moved")}, network=True)
    assert (queued.spec.mounts[0].source, queued.spec.params) == (str(tmp_path / "moved"), {"lr": "1"})


@pytest.mark.slow
def test_a_file_alone_gets_no_folder_of_this_machine_and_nothing_of_it_is_looked_at(desk, file, tmp_path):
    _, path = file
    shown = desk.jobs.preview_import(path)
    assert not shown.ready
    missing = [(one.what, one.name) for one in shown.requirements if one.standing is Standing.MISSING]
    assert missing == [("data", "/data"), ("network", "")]
    assert not [one for one in shown.requirements if "same 1 file" in one.text], "its folder was read"
    with pytest.raises(Refused, match=r"asks for what nobody granted: data /data, network\. Nothing was queued"):
        desk.jobs.submit_import(path)
    with pytest.raises(Refused, match=r"granted: network\."):
        desk.jobs.submit_import(path, data={"/data": str(tmp_path / "set")})
    assert desk.jobs.list() == []


@pytest.mark.slow
def test_what_a_rerun_would_be_is_told_before_it_is_queued(desk, tmp_path):
    data = tmp_path / "d"
    data.mkdir()
    job = desk.jobs.submit(HEAD + f"command: [short]\nmounts: [{{source: {data}, target: /data}}]\n")
    desk.wait(job.id, JobState.SUCCEEDED)
    tries = 50
    while not desk.jobs.show(job.id).capsule.data and tries:
        tries -= 1
        desk.loop.ending.wait(0.1)
    (data / "new").write_text("1")
    told = desk.jobs.preview_rerun(job.id, {"env.A": "1"})
    assert [one.path for one in told.repeat.differs] == ["spec.env.A"]
    standing = {one.what: (one.standing, one.text) for one in told.requirements}
    assert standing["image"][0] is Standing.SAME
    assert standing["data"] == (Standing.DIFFERS, "Data /data has 1 more file.")
    assert len(desk.jobs.list()) == 1


@pytest.mark.slow
def test_outputs_are_told_by_their_size_and_packed(desk, tmp_path):
    job = desk.jobs.submit(HEAD + "command: [short]\noutputs: [/out]\n")
    desk.wait(job.id, JobState.SUCCEEDED)
    folder = Path(desk.jobs.show(job.id).attempts[-1].kept[0].path)
    (folder / "model.bin").write_bytes(b"x" * 1000)
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    (folder / "sub" / "etc").symlink_to("/etc")
    (folder / "odd\udcff").write_bytes(b"y")
    (told,) = desk.jobs.outputs(job.id)
    assert (told.target, told.files, told.size_bytes) == ("/out", 2, 1001)

    with_them, without = tmp_path / "with", tmp_path / "without"
    desk.jobs.export(job.id, str(with_them), outputs=True)
    desk.jobs.export(job.id, str(without))
    with zipfile.ZipFile(with_them) as archive:
        names = {name for name in archive.namelist() if name.startswith("outputs/")}
        assert names == {"outputs/out/model.bin", "outputs/out/odd\\xff"}
        assert (
            hashlib.sha256(archive.read("outputs/out/model.bin")).hexdigest() == hashlib.sha256(b"x" * 1000).hexdigest()
        )
    with zipfile.ZipFile(without) as archive:
        assert not [name for name in archive.namelist() if name.startswith("outputs/")]
    assert desk.jobs.preview_import(str(with_them), network=True).ready
    desk.jobs._capsules._parts = replace(desk.jobs._capsules._parts, export_bytes=lambda: 1000)
    with pytest.raises(Refused, match="takes 1000 B of outputs at most"):
        desk.jobs.export(job.id, str(tmp_path / "more"), outputs=True)
    assert not (tmp_path / "more").exists()
