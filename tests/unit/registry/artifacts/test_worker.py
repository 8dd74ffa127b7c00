"""Views as the child makes them: hostile files cost it and nobody else, and nothing of them is loaded or run.

The child of these tests runs with an audit hook, which hears of every import, every file that is opened and every
name that an unpickler would look up.
"""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.artifacts import sizes
from mlops_desk.registry.artifacts.sizes import FilesSize
from mlops_desk.registry.records.artifact_view import ArtifactView
from mlops_desk.registry.records.model import Artifact

WORKER = "mlops_desk.registry.artifacts.worker"
FACTS = "mlops_desk.registry.model_files.worker"
FLAG = "PWNED"

HOOKED = """
import json, os, runpy, sys
root, log = sys.argv[1], open(sys.argv[2], "w")
def heard(event, arguments):
    if event in {"pickle.find_class", "exec", "compile", "import", "open", "os.system", "subprocess.Popen", "os.exec"}:
        told = [str(getattr(one, "co_filename", one))[:200] for one in arguments[:1]]
        log.write(json.dumps([event, *told]) + "\\n")
        log.flush()
sys.addaudithook(heard)
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def hooked(root: Path, module: str, request: dict[str, Any], log: Path) -> tuple[Any, list[list[str]]]:
    """Run a worker with the hook; return its answer and all that the hook heard after the request was read."""
    done = subprocess.run([sys.executable, "-c", HOOKED, str(root), str(log), module], input=json.dumps(request).encode(),
                          capture_output=True, timeout=60, check=False, cwd="/")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout), [json.loads(line) for line in log.read_text().splitlines()]


class Evil:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {FLAG}",)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of files each of which runs something when its own library opens it."""
    root = tmp_path / "hostile"
    code = root / "code"
    code.mkdir(parents=True)
    for name in ("own_loader.py", "numpy.py", "yaml.py", "json.py", "sitecustomize.py", "duckdb.py"):
        (root / name).write_text(f"import os; os.system('touch {FLAG}')")
    (code / "own_loader.py").write_text(f"import os; os.system('touch {FLAG}')")
    for name in ("model.pkl", "model.joblib", "x.dill"):
        (root / name).write_bytes(pickle.dumps(Evil()))
    with zipfile.ZipFile(root / "model.pth", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Evil()))
    (root / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 500)
    with zipfile.ZipFile(root / "model.keras", "w") as archive:
        archive.writestr("config.json", '{"class_name": "Lambda"}')
    (root / "MLmodel").write_text(
        "flavors:\n  python_function: {loader_module: own_loader, code: code, data: model.pkl, python_version: 3.12.1}\n"
        "  evil: !!python/object/apply:os.system ['touch PWNED']\n"
    )
    (root / "python_env.yaml").write_text("python: !!python/object/apply:os.system ['touch PWNED']\n")
    (root / "requirements.txt").write_text("--index-url http://elsewhere\nevil\n")
    (root / "page.html").write_text(f"<script>run('{FLAG}')</script>")
    return root


FILES = ("model.pkl", "model.joblib", "x.dill", "model.pth", "model.h5", "model.keras", "MLmodel", "page.html",
         "numpy.py")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FILES, None])
def test_nothing_of_a_hostile_model_is_loaded_imported_or_run(hostile: Path, tmp_path: Path, name: str | None) -> None:
    source = {"root": str(hostile), "base": ""}
    module = FACTS if name is None else WORKER
    request = (
        {"source": source, "name": "m", "version": "1"}
        if name is None
        else {"source": source, "task": "view", "path": name}
    )
    answer, heard = hooked(hostile, module, request, tmp_path / "heard")
    assert "ok" in answer
    events = {event for event, *_ in heard}
    assert not events & {"pickle.find_class", "os.system", "subprocess.Popen", "os.exec"}
    run = [told for event, *told in heard if event in {"exec", "compile"} and any(str(hostile) in one for one in told)]
    assert not run
    imported = {told[0] for event, *told in heard if event == "import" and told}
    assert not imported & {"own_loader", "joblib", "dill", "torch", "keras", "h5py", "sitecustomize"}
    assert not list(hostile.rglob(FLAG))
    assert not Path("/", FLAG).exists()


def test_the_hook_hears_what_it_is_to_hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loader.py").write_text("import pickle, sys\npickle.loads(pickle.dumps(sys.exit))\nprint('{}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _, heard = hooked(tmp_path, "loader", {}, tmp_path / "heard")
    assert "pickle.find_class" in {event for event, *_ in heard}


def test_facts_of_a_hostile_model_say_that_it_runs_code(hostile: Path) -> None:
    (hostile / "MLmodel").write_text("flavors:\n  python_function: {loader_module: own_loader, code: code}\n")
    facts = run_worker(FACTS, {"source": {"root": str(hostile), "base": ""}, "name": "m", "version": "1"}, 30.0)
    assert facts["loads_code"] is True
    assert "posix.system" in facts["opcodes"]
    assert facts["requirements"] == ["evil"]


def seen(root: Path, path: str, base: str = "") -> ArtifactView:
    answer = run_worker(WORKER, {"source": {"root": str(root), "base": base}, "task": "view", "path": path}, 30.0)
    return wire.from_builtins(answer, ArtifactView)


def test_a_view_has_the_hash_of_what_was_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    view = seen(tmp_path, "a.txt")
    assert (view.kind, view.text, view.size_bytes) == ("text", "hello", 5)
    assert view.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_a_damaged_file_says_so_beside_its_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04broken")
    view = seen(tmp_path, "a.zip")
    assert (view.kind, view.size_bytes, view.sha256 is None) == ("archive", 10, False)
    assert view.problem is not None


@pytest.mark.slow
def test_a_sparse_file_of_ten_gigabytes_is_seen_at_once(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"a,b\n1,2\n" * 1000)
        file.truncate(10 << 30)
    view = seen(tmp_path, "a.csv")
    assert (view.size_bytes, view.sha256, view.is_cut or view.problem is not None) == (10 << 30, None, True)
    with (tmp_path / "a.pkl").open("wb") as file:
        file.write(b"\x80\x04")
        file.truncate(10 << 30)
    assert seen(tmp_path, "a.pkl").problem is not None


@pytest.mark.slow
def test_what_takes_more_memory_than_there_is_costs_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x")
    assert seen(tmp_path, "a.pkl").problem is not None
    (tmp_path / "n.ipynb").write_bytes(b'{"cells": [' + b"[]," * (10 << 20) + b"[]]}")
    assert seen(tmp_path, "n.ipynb").kind == "notebook"


def test_a_folder_is_listed_by_the_child_and_its_errors_come_through(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_text("1")
    source = {"root": str(tmp_path), "base": "model"}
    listed = run_worker(WORKER, {"source": source, "task": "list", "path": ""}, 30.0)
    assert wire.from_builtins(listed, list[Artifact]) == [Artifact("a", size_bytes=1)]
    with pytest.raises(NotFound):
        seen(tmp_path, "nothing")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(Refused):
        seen(tmp_path, "link")


# -- sizes -------------------------------------------------------------------------------------


def test_sizes_are_added_up_without_links_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"1" * 1000)
    (tmp_path / "a" / "b" / "y").write_bytes(b"1" * 24)
    os.link(tmp_path / "a" / "x", tmp_path / "a" / "again")
    (tmp_path / "a" / "link").symlink_to("/usr")
    with (tmp_path / "a" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    found = sizes.measured({"a": str(tmp_path / "a"), "gone": str(tmp_path / "gone")}, 20.0)
    size = found["a"]
    assert found["gone"] is None
    assert isinstance(size, FilesSize)
    assert (size.size_bytes, size.n_files) == (1024 + (1 << 30), 3)
    assert size.room_bytes < 1 << 20


def test_what_there_was_no_time_for_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("1")
    assert sizes.size_of(str(tmp_path), 0.0) is None

    def late(*_: object) -> None:
        raise TimedOut("no answer")

    monkeypatch.setattr(sizes, "run_worker", late)
    assert sizes.measured({"a": "/x"}, 1.0) == {"a": None}

    def dead(*_: object) -> None:
        raise Unavailable("can't be started")

    monkeypatch.setattr(sizes, "run_worker", dead)
    with pytest.raises(DeskError):
        sizes.measured({"a": "/x"}, 1.0)


@pytest.mark.parametrize(
    ("listed", "known"),
    [([Artifact("a", size_bytes=1), Artifact("b", size_bytes=2)], (3, 2)), ([Artifact("a", size_bytes=None)], (None, 1)),
     ([], (0, 0)), ([Artifact("a", size_bytes=1)] * 5, (None, None))],
)  # fmt: skip
def test_a_size_that_is_not_known_makes_the_sum_unknown(
    listed: list[Artifact], known: tuple[int | None, int | None]
) -> None:
    assert sizes.added(listed, 4) == known
