"""An image for another machine: what is lacking is told at once, what is taken of base and wheels, and nothing else."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused
from mlops_desk.serving.export.foreign import image_builder
from mlops_desk.serving.export.foreign.archive import opened
from mlops_desk.serving.export.foreign.image_builder import Survey
from mlops_desk.serving.export.layout import Baked
from tests.unit.serving.export.foreign import made

TAG = "mlops-desk-export/front:r1"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """What a model needs there: one wheel for any machine, one for the newest of three kinds of it."""
    folder = tmp_path / "wheels"
    made.wheel(folder, "skinny", "3.17.2", requires=("numpy>=2", "win; sys_platform == 'win32'"))
    made.wheel(folder, "numpy", "2.1.0", "cp312-cp312-manylinux_2_17_aarch64")
    made.wheel(folder, "numpy", "2.2.0", "cp312-cp312-manylinux_2_28_aarch64.manylinux_2_17_aarch64")
    made.wheel(folder, "numpy", "2.3.0", "cp312-cp312-manylinux_2_39_aarch64")
    made.wheel(folder, "numpy", "2.4.0", "cp312-cp312-manylinux_2_17_x86_64")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("{}")
    return tmp_path / "model"


def surveyed(base: Path, wheels: Path, *wanted: str, platform: str | None = None) -> Survey:
    with opened(base) as archive:
        return image_builder.survey(archive, wheels, platform, wanted or ("skinny",))


def baked(base: Path, wheels: Path, model: Path, *wanted: str) -> tuple[Baked, Any, list[dict[str, bytes]]]:
    """Return what was made, its configuration, and the files of its layers."""
    target = model.parent / "out.tar"
    done = image_builder.bake(
        base, wheels, None, wanted or ("skinny",), model, b"print()", target, TAG, {"title": "x"}, 1_800_000_000.0
    )
    with tarfile.open(target) as archive:
        blobs = {one.name: file.read() for one in archive if (file := archive.extractfile(one)) is not None}
    assert all(hashlib.sha256(data).hexdigest() == name[13:] for name, data in blobs.items() if "sha256/" in name)
    (listed,) = json.loads(blobs["manifest.json"])
    config = json.loads(blobs[listed["Config"]])
    layers = [_files(blobs[name]) for name in listed["Layers"]]
    unpacked = [made.summed(_unzipped(blobs[name])) for name in listed["Layers"]]
    assert config["rootfs"]["diff_ids"] == unpacked, "docker load compares them"
    assert len(config["history"]) == len(layers)
    assert sorted(path.name for path in target.parent.glob("out.*")) == ["out.tar"]
    return done, config, layers


def _unzipped(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _files(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(_unzipped(data))) as archive:
        return {one.name: file.read() for one in archive if one.isfile() and (file := archive.extractfile(one))}


def test_the_newest_wheels_that_run_there_are_laid(tmp_path: Path, wheels: Path, model: Path) -> None:
    base = made.base(tmp_path / "base.tar")
    found = surveyed(base, wheels)
    assert found.target.title == "Python 3.12 on linux/arm64 with glibc 2.36"
    assert [(one.name, str(one.version)) for one in found.wheels] == [("numpy", "2.2.0"), ("skinny", "3.17.2")]
    done, config, layers = baked(base, wheels, model)
    assert (done.platform, done.n_packages, config["architecture"]) == ("linux/arm64", 2, "arm64")
    assert {"packages/numpy/__init__.py", "packages/skinny/__init__.py"} <= layers[-2].keys()
    assert {"model/MLmodel", "opt/mlops-desk/serve.py"} <= layers[-1].keys()
    assert config["config"]["Entrypoint"] == ["python3", "/opt/mlops-desk/serve.py"]


def test_of_the_bases_configuration_only_what_is_named_is_taken(tmp_path: Path, wheels: Path, model: Path) -> None:
    hostile = {
        "Env": ["PATH=/usr/local/bin:relative:/usr/bin", "LD_PRELOAD=/evil.so", "PYTHONSTARTUP=/evil.py", "LANG=C.UTF-8",
                "PYTHONPATH=/evil", "LC_ALL=a\nb", 7],
        "OnBuild": ["RUN evil"], "Volumes": {"/model": {}}, "Entrypoint": ["/evil"], "Cmd": ["evil"], "User": "root",
        "Healthcheck": {"Test": ["CMD", "/evil"]}, "StopSignal": "SIGKILL", "Shell": ["/evil"], "Labels": {"a": "b"},
    }  # fmt: skip
    _, config, _ = baked(made.base(tmp_path / "base.tar", **hostile), wheels, model)
    assert config["config"] == {
        "Env": [
            "PATH=/usr/local/bin:/usr/bin:/packages/bin", "LANG=C.UTF-8", "PYTHONPATH=/packages", "PYTHONUNBUFFERED=1",
            "PYTHONDONTWRITEBYTECODE=1", "MLFLOW_DISABLE_TELEMETRY=true",
        ],
        "Entrypoint": ["python3", "/opt/mlops-desk/serve.py"], "Cmd": ["serve"], "User": "65534:65534",
        "WorkingDir": "/tmp", "ExposedPorts": {"8080/tcp": {}}, "Labels": {"title": "x"},
    }  # fmt: skip


def test_all_that_is_lacking_is_told_at_once_with_the_line_that_fetches_it(tmp_path: Path, wheels: Path) -> None:
    made.wheel(wheels, "old", "1.0")
    made.wheel(wheels, "other", "1.0", "cp311-cp311-manylinux_2_17_aarch64")
    made.wheel(wheels, "newer", "1.0", pythons=">=3.13")
    wanted = ("skinny", "old>=2", "other", "newer", "gone[fast]<4,>=3", "never; python_version < '3'")
    with pytest.raises(Refused) as raised:
        surveyed(made.base(tmp_path / "base.tar"), wheels, *wanted)
    text = str(raised.value)
    assert "for Python 3.12 on linux/arm64 with glibc 2.36" in text
    for told in (
        "old>=2 (for the model; those there are of version 1.0)", "gone[fast]<4,>=3 (for the model; none is there)",
        "other (for the model; other-1.0-cp311-cp311-manylinux_2_17_aarch64.whl is for another machine or Python)",
        "newer (for the model; newer-1.0-py3-none-any.whl is for another machine or Python)",
    ):  # fmt: skip
        assert told in text
    assert "never" not in text
    assert raised.value.command == (
        f"pip download -d {wheels} --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64"
        " --platform manylinux_2_28_aarch64 --platform manylinux_2_34_aarch64"
        " --python-version 3.12 --implementation cp --only-binary=:all: 'gone[fast]<4,>=3' newer 'old>=2' other"
    )


def test_on_musl_wheels_for_glibc_are_none(tmp_path: Path, wheels: Path) -> None:
    base = made.oci(tmp_path / "base.tar", made.image(made.musl_files(), config={}))
    with pytest.raises(Refused, match=r"numpy>=2 \(for skinny 3.17.2; .* is for another machine") as raised:
        surveyed(base, wheels)
    assert "musllinux_1_2_aarch64" in str(raised.value.command)
    made.wheel(wheels, "numpy", "2.0.0", "cp312-cp312-musllinux_1_2_aarch64")
    found = surveyed(base, wheels)
    assert (found.target.libc, str(found.wheels[0].version)) == (("musl", 1, 2), "2.0.0")


def test_where_the_full_version_is_not_told_what_may_be_wanted_is_wanted(tmp_path: Path, wheels: Path) -> None:
    files = {name: data for name, data in made.python_files().items() if "patchlevel" not in name}
    base = made.oci(tmp_path / "base.tar", made.image(files))
    made.wheel(wheels, "late", requires=("backport; python_full_version < '3.12.3'",))
    with pytest.raises(Refused, match="backport"):
        surveyed(base, wheels, "late")
    assert surveyed(made.base(tmp_path / "told.tar"), wheels, "late").wheels


def test_extras_bring_what_they_want(tmp_path: Path, wheels: Path) -> None:
    made.wheel(wheels, "server", requires=("loop; extra == 'fast'", "core"))
    made.wheel(wheels, "core")
    base = made.base(tmp_path / "base.tar")
    assert [one.name for one in surveyed(base, wheels, "server").wheels] == ["core", "server"]
    with pytest.raises(Refused, match="loop"):
        surveyed(base, wheels, "server[fast]")


def test_of_several_platforms_one_is_named(tmp_path: Path, wheels: Path) -> None:
    images = [made.image(made.python_files(one), one) for one in ("amd64", "arm64")]
    base = made.oci(tmp_path / "base.tar", *images)
    with pytest.raises(Invalid, match=r"2 images \(linux/amd64, linux/arm64\)"):
        surveyed(base, wheels)
    assert surveyed(base, wheels, platform="linux/arm64").target.architecture == "arm64"
    assert str(surveyed(base, wheels, "numpy", platform="linux/amd64").wheels[0].version) == "2.4.0"
    with pytest.raises(NotFound, match="no image for linux/s390x"):
        surveyed(base, wheels, platform="linux/s390x")


def test_what_docker_save_writes_is_taken_too_with_links_between_its_layers(tmp_path: Path, wheels: Path) -> None:
    blobs, _ = made.image(made.python_files())
    (config,) = (data for data in blobs.values() if b"rootfs" in data)
    (data,) = (data for data in blobs.values() if data[:2] == b"\x1f\x8b")
    listed = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["b/layer.tar"]}]).encode()
    files: Mapping[str, bytes | str] = {
        "manifest.json": listed, "c.json": config, "a/layer.tar": data, "b/layer.tar": "../a/layer.tar",
    }  # fmt: skip
    assert surveyed(made.archive(tmp_path / "base.tar", files), wheels).target.python == "3.12"


def test_an_index_within_an_index_with_files_of_one_platform_alone(tmp_path: Path, wheels: Path) -> None:
    blobs, entry = made.image(made.python_files())
    other = {**entry, "digest": made.summed(b"not there")}
    inner = json.dumps({"manifests": [entry, other]}).encode()
    name = made.summed(inner)[7:]
    outer = {"digest": f"sha256:{name}", "mediaType": "application/vnd.oci.image.index.v1+json"}
    files = {"index.json": json.dumps({"manifests": [outer]}).encode(), f"blobs/sha256/{name}": inner, **blobs}
    assert surveyed(made.archive(tmp_path / "base.tar", files), wheels).target.architecture == "arm64"


def test_an_upper_layer_takes_away_what_a_lower_one_has(tmp_path: Path, wheels: Path) -> None:
    newer = made.layer({"usr/local/bin/.wh.python3": b"", "usr/bin/python3": "python3.13",
                        "usr/bin/python3.13": made.elf("arm64", "/lib/ld-linux-aarch64.so.1")})  # fmt: skip
    base = made.oci(tmp_path / "base.tar", made.image(made.python_files(), "arm64", None, newer))
    made.wheel(wheels, "numpy", "2.2.0", "cp313-cp313-manylinux_2_17_aarch64")
    assert surveyed(base, wheels).target.python == "3.13"
    emptied = made.layer({".wh..wh..opq": b"", "usr/bin/nothing": b""})
    base = made.oci(tmp_path / "base.tar", made.image(made.python_files(), "arm64", None, emptied))
    with pytest.raises(Invalid, match="no python3 in /usr/local/bin:/usr/bin"):
        surveyed(base, wheels)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (made.python_files("amd64"), "says that it is for linux/arm64, but its usr/local/bin/python3.12 is no program"),
        (made.python_files(python="3.8.1"), "Python 3.8; the scoring server needs 3.9"),
        ({"usr/bin/python3": made.elf("arm64", "/lib/l")}, "nothing tells which version it is"),
        ({"usr/bin/python3": "python3"}, "no python3"),
        ({"usr/bin/python3": "/a", "a": "/b", "b": "/a"}, "no python3"),
        ({**made.python_files(), "model/MLmodel": b""}, "has a /model of its own"),
        ({**made.python_files(), "packages": "/usr"}, "has a /packages of its own"),
    ],
)
def test_a_base_on_which_nothing_would_run_is_told(
    tmp_path: Path, wheels: Path, files: dict[str, bytes | str], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        surveyed(made.oci(tmp_path / "base.tar", made.image(files)), wheels)


def test_a_base_that_is_damaged_is_told(tmp_path: Path, wheels: Path) -> None:
    blobs, entry = made.image(made.python_files())
    for name, data in blobs.items():
        changed = {**blobs, name: data[:-1] + bytes([data[-1] ^ 1])}
        with pytest.raises(Invalid, match=r"damaged|read as an archive"):
            surveyed(made.oci(tmp_path / "base.tar", (changed, entry)), wheels)
    other, config = made.layer({"other": b""}), json.loads(next(one for one in blobs.values() if b"rootfs" in one))
    config["rootfs"]["diff_ids"] = [made.summed(other)]
    listed = json.dumps([{"Config": "c", "Layers": ["l"]}]).encode()
    files = {"manifest.json": listed, "c": json.dumps(config).encode(), "l": made.layer(made.python_files())}
    with pytest.raises(Invalid, match="its layer l is not what it is called"):
        surveyed(made.archive(tmp_path / "base.tar", files), wheels)


def test_scripts_data_and_programs_have_their_places(tmp_path: Path, model: Path) -> None:
    wheels = tmp_path / "wheels"
    files = {
        "tool/__init__.py": b"x = 1\n", "tool-1.0.data/scripts/run": b"#!python -u\nprint()\n",
        "tool-1.0.data/scripts/old": b"#!pythonw\r\nprint()\n", "tool-1.0.data/scripts/sh": b"#!/bin/sh\n",
        "tool-1.0.data/data/share/doc": b"d", "tool-1.0.data/purelib/pure.py": b"p",
        "tool-1.0.data/platlib/plat.so": b"s", "tool-1.0.data/headers/tool.h": b"h",
        "tool-1.0.dist-info/entry_points.txt": b"[console_scripts]\nTool = tool.cli:app.main [x]\n../evil = a:b\nbad = a;b:c\n",
    }  # fmt: skip
    made.wheel(wheels, "tool", files=files)
    _, _, layers = baked(made.base(tmp_path / "base.tar"), wheels, model, "tool")
    laid = {name.removeprefix("packages/"): data for name, data in layers[-2].items() if "dist-info" not in name}
    assert laid == {
        ".wh..wh..opq": b"", "tool/__init__.py": b"x = 1\n", "bin/run": b"#!python -u\nprint()\n", "bin/sh": b"#!/bin/sh\n",
        "bin/old": b"#!/usr/bin/env python3\nprint()\n", "share/doc": b"d", "pure.py": b"p", "plat.so": b"s",
        "include/tool.h": b"h",
        "bin/Tool": b"#!/usr/bin/env python3\nimport sys\nfrom tool.cli import app\nsys.exit(app.main())\n",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "a//b", "a\\b", "a\nb", "a/.wh.b", "a/./b", ""])
def test_no_file_of_a_wheel_leads_out(tmp_path: Path, name: str) -> None:
    made.wheel(tmp_path / "wheels", "odd", files={name: b"x"})
    with pytest.raises(Invalid, match="a file that can't be laid"):
        surveyed(made.base(tmp_path / "base.tar"), tmp_path / "wheels", "odd")


def test_a_wheel_that_is_not_what_it_says_is_told(tmp_path: Path) -> None:
    wheels, base = tmp_path / "wheels", made.base(tmp_path / "base.tar")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"files": {"a": b"/etc/passwd"}, "modes": {"a": 0o120777}}, "can't be laid"),
        ({"unlisted": {"more.py": b"x"}}, "not in its RECORD: more.py"),
        ({"files": {"odd-1.0.dist-info/METADATA": b"Name: other\nVersion: 1.0\n"}}, "says that it is other 1.0"),
        ({"files": {"odd-1.0.dist-info/METADATA": b"Name: odd\nVersion: 1.0\nRequires-Dist: a b\n"}}, "can't be read"),
        ({"files": {"odd-1.0.dist-info/WHEEL": b"Wheel-Version: 2.0\n"}}, "of form 2.0"),
        ({"files": {"odd-1.0.data/evil/x": b""}}, "a file of no known kind"),
        ({"files": {"new-2.dist-info/METADATA": b""}}, "no description of its own"),
    ]
    for options, said in cases:
        made.wheel(wheels, "odd", **options)
        with pytest.raises(Invalid, match=said):
            surveyed(base, wheels, "odd")


def test_a_changed_byte_of_a_wheel_is_seen_and_leaves_nothing(tmp_path: Path, model: Path) -> None:
    path = made.wheel(tmp_path / "wheels", "odd", files={"odd.py": b"a" * 100})
    with zipfile.ZipFile(path) as before:
        names = {one: before.read(one) for one in before.namelist()}
    path.unlink()
    with zipfile.ZipFile(path, "w") as after:
        for name, data in {**names, "odd.py": b"b" * 100}.items():
            after.writestr(name, data)
    with pytest.raises(Invalid, match=r"damaged: odd\.py is not as recorded"):
        baked(made.base(tmp_path / "base.tar"), path.parent, model, "odd")
    assert not list(tmp_path.glob("out.*"))


def test_what_two_wheels_have_is_laid_once_and_told_where_it_differs(tmp_path: Path, model: Path) -> None:
    wheels = tmp_path / "wheels"
    made.wheel(wheels, "a", files={"tests/x.py": b"a", "same.py": b""})
    made.wheel(wheels, "b", files={"tests/x.py": b"b", "same.py": b""})
    done, _, layers = baked(made.base(tmp_path / "base.tar"), wheels, model, "a", "b")
    assert layers[-2]["packages/tests/x.py"] == b"b"
    assert done.notes == ("tests/x.py is in a and b; that of b is laid.",)
    made.wheel(wheels, "b", files={"same.py/x": b""})
    with pytest.raises(Invalid, match=r"same\.py is a file in the wheel a-.* and a folder in b-"):
        surveyed(made.base(tmp_path / "base.tar"), wheels, "a", "b")


def test_where_nothing_is_it_says_so(tmp_path: Path) -> None:
    base, empty = made.base(tmp_path / "base.tar"), tmp_path / "empty"
    empty.mkdir()
    for what, error in ((lambda: surveyed(base, tmp_path / "none"), NotFound), (lambda: surveyed(base, empty), Invalid),
                        (lambda: surveyed(tmp_path / "none", empty), NotFound)):  # fmt: skip
        with pytest.raises(error) as raised:
            what()
        assert isinstance(raised.value, DeskError)
