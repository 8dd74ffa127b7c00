"""What an endpoint's image is built from, and when it is not built again."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.serving.image import image
from mlops_desk.serving.image.image import Recipe, write_context

BASE = "python:3.12-slim"
LIST = ("mlflow-skinny==3.17.2", "numpy")


def test_the_same_recipe_is_built_once_and_any_change_builds_anew(tmp_path: Path) -> None:
    engine = FakeEngine(images=[BASE, "other:1"])
    house = tmp_path / "house"
    house.mkdir()
    wheels = [house / f"{name}-py3-none-any.whl" for name in ("numpy-2.0", "mlflow_skinny-3.17.2")]
    for wheel in wheels:
        wheel.write_bytes(b"12")
    first = image.build(engine, "0123abcd", Recipe(BASE, LIST), tmp_path / "1", 60)
    again = image.build(engine, "0123abcd", Recipe(BASE, LIST), tmp_path / "2", 60)
    assert first == again
    assert "was there already" in (tmp_path / "2" / "build.log").read_text()
    tags = {
        first,
        image.build(engine, "0123abcd", Recipe(BASE, (*LIST, "pandas")), tmp_path / "3", 60),
        image.build(engine, "0123abcd", Recipe("other:1", LIST), tmp_path / "4", 60),
        image.build(engine, "0123abcd", Recipe(BASE, LIST, house), tmp_path / "5", 60),
    }
    wheels[0].write_bytes(b"123")
    tags.add(image.build(engine, "0123abcd", Recipe(BASE, LIST, house), tmp_path / "6", 60))
    assert len(tags) == 5


def test_a_wheelhouse_keeps_the_build_from_the_network(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "numpy-2.whl").write_bytes(b"12")
    (house / "notes.txt").write_text("no wheel")
    environment = {"HTTPS_PROXY": "http://proxy:3128", "PIP_INDEX_URL": "https://mirror/simple"}
    write_context(tmp_path / "c", Recipe(BASE, LIST, house), [house / "numpy-2.whl"], environment, {"a": "b"})
    dockerfile = (tmp_path / "c" / "Dockerfile").read_text()
    assert "--no-index --find-links=/wheels" in dockerfile
    assert "--only-binary=:all:" in dockerfile
    assert "ARG" not in dockerfile
    assert [path.name for path in (tmp_path / "c" / "wheels").iterdir()] == ["numpy-2.whl"]
    assert (tmp_path / "c" / "requirements.txt").read_text().splitlines() == list(LIST)


def test_the_library_of_the_base_is_compiled_and_a_base_where_that_fails_is_built_all_the_same(tmp_path: Path) -> None:
    write_context(tmp_path / "c", Recipe(BASE, LIST), [], {}, {"a": "b"})
    lines = (tmp_path / "c" / "Dockerfile").read_text().split(f"FROM {BASE}\n")[1].splitlines()
    command = lines[0].removeprefix("RUN ")
    library = tmp_path / "library"
    (library / "site-packages").mkdir(parents=True)
    for file in (library / "mine.py", library / "site-packages" / "theirs.py"):
        file.write_text("a = 1\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    told = f'[ $1 = -c ] && echo {library} || exec {sys.executable} "$@"'
    (programs / "python3").write_text(f"#!/bin/sh\n{told}\n")
    (programs / "python3").chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPYCACHEPREFIX": ""}
    subprocess.run(["sh", "-c", command], check=True, env=environment, timeout=60)
    assert [path.name.split(".")[0] for path in library.rglob("*.pyc")] == ["mine"]
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    subprocess.run(["sh", "-c", command], check=True, env=environment, timeout=60)


def test_the_way_to_the_index_is_known_to_the_build_but_passwords_are_not(tmp_path: Path) -> None:
    certificates = tmp_path / "ca.crt"
    certificates.write_text("PEM")
    environment = {
        "HTTPS_PROXY": "http://proxy:3128",
        "HTTP_PROXY": "http://me:secret@proxy:3128",
        "PIP_INDEX_URL": "https://mirror/simple\nRUN true",
        "PIP_CERT": str(certificates),
    }
    write_context(tmp_path / "c", Recipe(BASE, LIST), [], environment, {"a": "b"})
    dockerfile = (tmp_path / "c" / "Dockerfile").read_text()
    first, final = dockerfile.split(f"FROM {BASE}\n")
    assert "ARG HTTPS_PROXY=http://proxy:3128" in first
    assert "--cert=/wheels/ca.pem" in first
    assert "secret" not in dockerfile
    assert "RUN true" not in dockerfile
    assert "LABEL a=b" in first
    assert "proxy" not in final


def test_a_base_that_is_nowhere_and_one_that_is_no_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        image.build(FakeEngine(), "0123abcd", Recipe(BASE, LIST), tmp_path, 60)
    with pytest.raises(Invalid, match="name of an image"):
        image.build(FakeEngine(), "0123abcd", Recipe("x\nRUN y", LIST), tmp_path, 60)
    with pytest.raises(Invalid, match="wheelhouse"):
        image.build(FakeEngine(), "0123abcd", Recipe(BASE, LIST, tmp_path / "none"), tmp_path, 60)


def test_a_base_that_is_not_local_is_pulled(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.remote.add(BASE)
    assert image.build(engine, "0123abcd", Recipe(BASE, LIST), tmp_path, 60)


def test_the_output_of_a_build_that_failed_is_kept(tmp_path: Path) -> None:
    engine = FakeEngine(images=[BASE])
    engine.build_error = "No matching distribution found for numpy"
    with pytest.raises(Refused):
        image.build(engine, "0123abcd", Recipe(BASE, LIST), tmp_path, 60)
    assert "No matching distribution" in (tmp_path / "build.log").read_text()


def test_a_wheel_that_is_not_there_is_named_before_anything_is_built(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "numpy-2.0-py3-none-any.whl").write_bytes(b"12")
    engine = FakeEngine(images=[BASE])
    engine.build_error = "it was built"
    with pytest.raises(Refused, match=r"has no wheel for mlflow-skinny==3\.17\.2\.") as refused:
        image.build(engine, "0123abcd", Recipe(BASE, LIST, house), tmp_path / "1", 60)
    assert f"pip download --only-binary=:all: -d {house} mlflow-skinny==3.17.2" in (refused.value.hint or "")
