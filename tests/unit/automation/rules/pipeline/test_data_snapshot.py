"""Data frozen by their hashes: the same data the same hash, and a change of one byte another."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.automation.rules.pipeline import hashing
from mlops_desk.automation.rules.pipeline.data_snapshot import DataFreezing
from mlops_desk.automation.rules.pipeline.training_steps import recipe_of
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule, GitIdentity
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import Invalid, NotFound

MOUNTS = (Mount("/old", "/data"), Mount("/scratch", "/out", "rw"))
JOB = Job("j", "train", JobState.SUCCEEDED, JobSpec("train", "image", mounts=MOUNTS), 0.0, 0, "me")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "deep" / "b.csv").write_text("y\n2\n")
    (folder / "link").symlink_to("a.csv")
    return folder


class Worker:
    def __init__(self):
        self.requests = []
        self.readers = []

    def __call__(self, module, request, seconds, uid):
        self.requests.append(request)
        self.readers.append(uid)
        return hashing.answer(request)


def frozen(tmp_path: Path, data: Path, run_id: str = "r", worker=None, looks=None):
    """Freeze data, or look at them again as they were when they were frozen."""
    frozen_as = None if looks is None else looks.sha256
    run = PipelineRun(run_id, "rule", PipelineState.RUNNING, data={"/data": str(data)}, manifest_sha256=frozen_as)
    return DataFreezing(tmp_path / "lists", worker or Worker()).manifest(run, JOB)


def test_only_read_only_mounts_are_frozen_those_that_the_rule_replaces_from_their_new_place(tmp_path, data) -> None:
    worker = Worker()
    found = frozen(tmp_path, data, worker=worker)
    assert worker.requests[0]["sources"] == {"/data": str(data)}
    assert (found.files, found.size_bytes, found.targets) == (3, 4 + 4 + len("a.csv") + 0, ("/data",))


@pytest.mark.parametrize(("made_by", "reader"), [(1007, 1007), (0, 0), (None, 1001)])
def test_the_data_are_read_as_who_named_them_and_not_as_who_trained_the_champion(
    tmp_path, data, made_by, reader
) -> None:
    worker = Worker()
    run = PipelineRun("r", "rule", PipelineState.RUNNING, data={"/data": str(data)}, created_by=made_by)
    DataFreezing(tmp_path / "lists", worker).manifest(run, replace(JOB, submitted_by=1001))
    assert worker.readers == [reader]


def test_a_copy_elsewhere_has_the_same_hash_and_a_changed_byte_name_or_link_has_not(tmp_path, data) -> None:
    before = frozen(tmp_path, data).sha256
    import shutil

    other = tmp_path / "copy"
    shutil.copytree(data, other, symlinks=True)
    assert frozen(tmp_path, other, "o").sha256 == before
    by_itself = hashing.digest_of(hashing.manifest({"another name": str(other)}, {}), "another name")
    assert frozen(tmp_path, other, "o").by_target == {"/data": by_itself}, "the name is no part of it"
    for at, change in enumerate(
        (
            lambda: (other / "a.csv").write_text("x\n2\n"),
            lambda: (other / "a.csv").rename(other / "c.csv"),
            lambda: (other / "new").write_text(""),
            lambda: ((other / "link").unlink(), (other / "link").symlink_to("deep/b.csv")),
        )
    ):
        shutil.rmtree(other)
        shutil.copytree(data, other, symlinks=True)
        change()
        assert frozen(tmp_path, other, f"c{at}").sha256 != before


def test_what_is_looked_at_again_is_read_only_where_it_has_changed(tmp_path, data, monkeypatch) -> None:
    first = frozen(tmp_path, data)
    read = []
    real = hashing._hashed
    monkeypatch.setattr(hashing, "_hashed", lambda path, *seen: read.append(Path(path).name) or real(path, *seen))
    assert frozen(tmp_path, data) == first
    assert read == []
    facts = (data / "a.csv").stat()
    (data / "a.csv").write_text("x\n9\n")
    os.utime(data / "a.csv", ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert frozen(tmp_path, data).sha256 != first.sha256
    assert read == ["a.csv"]


def test_a_file_whose_time_was_set_back_is_another_one_all_the_same(tmp_path, data) -> None:
    first, facts = frozen(tmp_path, data), (data / "a.csv").stat()
    (data / "a.csv").write_text("x\n2\n")
    os.utime(data / "a.csv", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert frozen(tmp_path, data, looks=first).sha256 != first.sha256


def rewrite(file: Path) -> None:
    facts = file.stat()
    file.write_text("x\n3\n")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


CHANGES = {
    "rewritten": rewrite,
    "grown": lambda file: os.truncate(file, 9),
    "truncated": lambda file: file.write_text(""),
    "replaced": lambda file: (file.with_name("new").write_text("x\n3\n"), file.with_name("new").replace(file)),
    "a link": lambda file: (file.unlink(), file.symlink_to("deep/b.csv")),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "removed": lambda file: file.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before it is opened", "while it is read"])
def test_a_file_that_is_changed_while_it_is_read_is_refused(tmp_path, data, monkeypatch, change, when) -> None:
    opened, file = os.open, data / "a.csv"

    def opens(path, *how, **more):
        if Path(path) != file or change not in CHANGES:
            return opened(path, *how, **more)
        if when == "before it is opened":
            monkeypatch.undo()
            CHANGES[change](file)
        descriptor = opened(path, *how, **more)
        if when == "while it is read":
            monkeypatch.undo()
            CHANGES[change](file)
        return descriptor

    monkeypatch.setattr(hashing.os, "open", opens)
    with pytest.raises(Invalid, match=r"a\.csv (was changed while it was read|can't be read)"):
        frozen(tmp_path, data)
    assert not (tmp_path / "lists").exists()


def test_of_a_file_that_is_appended_to_no_more_is_read_than_was_there(data, monkeypatch) -> None:
    log, read = data / "a.csv", []

    def grows(_told, size_bytes, *, files=0):
        read.append(size_bytes)
        with log.open("a") as file:
            file.write("5\n" * 1000)

    monkeypatch.setattr(hashing._Told, "read", grows)
    with pytest.raises(Invalid, match=r"a\.csv was changed while it was read"):
        hashing.manifest({"": str(log)}, {})
    assert sum(read) <= 5


def test_a_list_that_was_damaged_costs_only_time_and_is_written_again(tmp_path, data) -> None:
    first = frozen(tmp_path, data)
    (tmp_path / "lists" / "r.json").write_text("{")
    assert frozen(tmp_path, data, looks=first) == first
    assert frozen(tmp_path, data, looks=first) == first
    assert (tmp_path / "lists" / "r.json").stat().st_size > 100


def test_the_list_is_of_what_was_frozen_and_not_of_what_came_since(tmp_path, data) -> None:
    first, file = frozen(tmp_path, data), tmp_path / "lists" / "r.json"
    kept = file.read_text()
    (data / "a.csv").write_text("x\n2\n")
    assert frozen(tmp_path, data, looks=first) != first
    assert file.read_text() == kept
    frozen(tmp_path, data)
    assert file.read_text() != kept


def test_what_is_not_there_or_no_file_is_refused(tmp_path, data) -> None:
    with pytest.raises(NotFound, match="There is nothing at"):
        frozen(tmp_path, tmp_path / "none", "n")
    os.mkfifo(data / "pipe")
    with pytest.raises(Invalid, match="pipe is no file"):
        frozen(tmp_path, data, "p")


@given(st.sampled_from(["command", "image", "seed", "params", "env"]))
def test_the_recipe_is_another_one_with_any_part_that_is_learned_by(part) -> None:
    from dataclasses import replace

    changed = {
        "command": ("python", "x.py"), "image": "other", "seed": 3, "params": {"lr": "1"}, "env": {"A": "b"}
    }  # fmt: skip
    assert recipe_of(replace(JOB, spec=replace(JOB.spec, **{part: changed[part]}))) != recipe_of(JOB)


def test_the_recipe_is_the_same_wherever_the_data_lie_and_whenever_it_runs() -> None:
    from dataclasses import replace

    moved = replace(JOB.spec, mounts=(Mount("/new", "/data"), MOUNTS[1]), priority=9, name="again")
    assert recipe_of(replace(JOB, spec=moved, id="k")) == recipe_of(JOB)
    assert recipe_of(replace(JOB, image_id="sha256:1")) != recipe_of(JOB)


def test_another_seed_code_or_parameter_is_another_recipe() -> None:
    made = [Capsule(), Capsule(seed=1), Capsule(seed=2), Capsule(source_sha256="s"), Capsule(params={"lr": "0.1"})]
    made += [Capsule(git=GitIdentity(commit="c")), Capsule(build_sha256="b"), Capsule(params={"lr": "0.2"})]
    assert len({recipe_of(replace(JOB, capsule=one)) for one in made}) == 8


def test_as_many_files_as_are_allowed_are_frozen_and_not_one_more(data, monkeypatch) -> None:
    monkeypatch.setattr(hashing, "MOST_FILES", 3)
    assert len(hashing.manifest({"/data": str(data)}, {})) == 3
    (data / "d.csv").write_text("x\n")
    with pytest.raises(Invalid, match="holds more than 3 files"):
        hashing.manifest({"/data": str(data)}, {})


def test_a_folder_without_end_is_refused_before_all_of_it_is_in_memory(data, monkeypatch) -> None:
    walked: list[int] = []

    def endless(_folder: str, **_more: object) -> Iterator[tuple[str, list[str], list[str]]]:
        while True:
            walked.append(1)
            yield str(data), [], ["a", "b"]

    monkeypatch.setattr(hashing, "MOST_FILES", 5)
    monkeypatch.setattr(os, "walk", endless)
    with pytest.raises(Invalid, match="holds more than 5 files"):
        hashing.manifest({"/data": str(data)}, {})
    assert len(walked) == 3


def test_what_nobody_may_look_at_is_not_called_absent(tmp_path, data, monkeypatch) -> None:
    with pytest.raises(NotFound):
        hashing.manifest({"": str(tmp_path / "none")}, {})
    with pytest.raises(NotFound):
        hashing.manifest({"": str(data / "a.csv/below")}, {})

    def refusing(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "lstat", refusing)
    with pytest.raises(Invalid):
        hashing.manifest({"": str(data)}, {})


def test_it_says_how_far_it_is_only_where_somebody_listens(data, monkeypatch, capsys) -> None:
    monkeypatch.setattr(hashing, "_TELL_SECONDS", 0.0)
    hashing.manifest({"": str(data)}, {})
    assert capsys.readouterr().err == ""
    hashing.manifest({"": str(data)}, {}, tells=True)
    assert capsys.readouterr().err.splitlines()[-1] == "3 8"


def test_what_an_agent_was_killed_over_is_taken_away_by_the_next_and_the_lists_stay(tmp_path, data) -> None:
    freezing = DataFreezing(tmp_path / "lists", Worker())
    freezing.sweep()  # where nothing was ever frozen
    frozen(tmp_path, data)
    (freezing.room("r") / "rows.jsonl").write_text("{}")
    freezing.room("other")
    freezing.sweep()
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["r.json"]
    assert list(freezing.room("r").iterdir()) == []


def whole(sources: dict[str, Path]) -> str:
    return hashing.digest_of(hashing.manifest({target: str(path) for target, path in sources.items()}, {}))


def test_two_data_sets_that_change_places_are_others(data: Path) -> None:
    assert whole({"/a": data, "/b": data / "deep"}) != whole({"/a": data / "deep", "/b": data})
    assert whole({"/a": data}) != whole({"/b": data}), "a job finds them at another place"


def test_in_whatever_order_a_disk_tells_its_files_they_are_the_same(data: Path, monkeypatch) -> None:
    before, real = whole({"/data": data}), os.walk
    monkeypatch.setattr(os, "walk", lambda *given, **named: reversed([*real(*given, **named)]))
    assert whole({"/data": data}) == before


def test_a_link_to_a_folder_is_part_of_the_data_by_where_it_leads(data: Path) -> None:
    before = whole({"/data": data})
    (data / "other").symlink_to("deep")
    linked = whole({"/data": data})
    (data / "other").unlink()
    (data / "other").symlink_to(".")
    assert len({before, linked, whole({"/data": data})}) == 3
