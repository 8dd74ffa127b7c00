"""Whatever somebody has put into a base image or a wheel: it is laid as it should be, or refused in a sentence."""

import gzip
import io
import json
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.serving.export.foreign import image_builder
from mlops_desk.serving.export.foreign.archive import LayerPlace, opened
from mlops_desk.serving.export.foreign.image_builder import planned
from tests.unit.serving.export.foreign import made

with tempfile.TemporaryDirectory() as _folder:
    BASE = made.base(Path(_folder) / "base.tar").read_bytes()
    WHEEL = made.wheel(Path(_folder), "odd", files={"odd/a.py": b"a" * 300, "odd-1.0.data/scripts/run": b"#!python\n"})
    NAME, WHOLE = WHEEL.name, WHEEL.read_bytes()

CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=12)), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["manifests", "digest", "Config", "Layers", "config", "layers", "rootfs", "diff_ids", "Env"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def changed(data: bytes, changes: list[tuple[int, bytes]], end: int | None = None) -> bytes:
    found = bytearray(data)
    for place, what in changes:
        at = place % len(found)
        found[at : at + len(what)] = what
    return bytes(found[:end])


def looked_through(folder: Path, base: bytes, wheel: bytes) -> None:
    (folder / "base.tar").write_bytes(base)
    (folder / "wheels").mkdir()
    (folder / "wheels" / NAME).write_bytes(wheel)
    with opened(folder / "base.tar") as archive:
        found = image_builder.survey(archive, folder / "wheels", None, ["odd"])
    for place in found.laying.places:
        assert not place.startswith("/")
        assert ".." not in place.split("/")


@settings(max_examples=150)
@given(changes=CHANGES, end=st.none() | st.integers(0, len(BASE)))
@example(changes=[(0, b"")], end=0)
@example(changes=[(0, b"")], end=700)
def test_a_changed_base_is_told(changes: list[tuple[int, bytes]], end: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(DeskError):
        looked_through(Path(folder), changed(BASE, changes, end), WHOLE)


@settings(max_examples=150)
@given(changes=CHANGES, end=st.none() | st.integers(0, len(WHOLE)))
def test_a_changed_wheel_is_told(changes: list[tuple[int, bytes]], end: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(DeskError):
        looked_through(Path(folder), BASE, changed(WHOLE, changes, end))


@pytest.mark.slow
@settings(max_examples=150)
@given(name=st.sampled_from(["index.json", "manifest.json"]), what=JSON, config=JSON)
@example(name="manifest.json", what=[{"Config": "c", "Layers": []}], config={"rootfs": {"diff_ids": []}})
@example(name="manifest.json", what=[{"Config": "c", "Layers": ["c"]}], config={"rootfs": {"diff_ids": [1]}})
@example(name="manifest.json", what=[{"Config": "m", "Layers": ["m"]}], config=None)
@example(name="index.json", what={"manifests": [{"digest": 1}]}, config=None)
def test_descriptions_of_any_form_are_told(name: str, what: object, config: object) -> None:
    files = {name: json.dumps(what).encode(), "c": json.dumps(config).encode()}
    with tempfile.TemporaryDirectory() as folder, pytest.raises(DeskError):
        looked_through(Path(folder), made.layer({**files, "m": "m"}), WHOLE)


def test_a_layer_that_unpacks_to_more_than_anybody_has_is_ended(tmp_path: Path) -> None:
    data = gzip.compress(bytes(10 << 20))
    base = made.archive(tmp_path / "base.tar", {"index.json": b"{}", "l": data})
    with opened(base) as archive:
        layer = LayerPlace("l", None, made.summed(bytes(10 << 20)))
        with image_builder.unpacked(archive, layer) as (_, told):
            assert told().size_bytes == len(data)
        with (
            pytest.raises(Invalid, match="larger than 0 GiB"),
            image_builder.unpacked(archive, layer, 1 << 20) as (_, told),
        ):
            told()


@pytest.mark.slow
def test_many_files_that_hide_many_take_no_longer(tmp_path: Path) -> None:
    """Each of them looked for among all others would be four hundred million comparisons."""
    lower = made.layer({f"a{number}/x": b"" for number in range(20_000)})
    upper = made.layer({f".wh.a{number}": b"" for number in range(20_000)})
    base = made.oci(tmp_path / "base.tar", made.image(made.python_files(), "arm64", None, lower, upper))
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(WHOLE)
    with opened(base) as archive:
        assert len(image_builder.survey(archive, tmp_path / "wheels", None, ["odd"]).layers) == 3


def test_a_file_that_is_said_to_be_endless_is_none(tmp_path: Path) -> None:
    sparse = io.BytesIO()
    with tarfile.open(fileobj=sparse, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("index.json")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
        info.size = 512
        archive.addfile(info, io.BytesIO(b"1\n0\n0\n".ljust(512, b"\0")))
    (tmp_path / "base.tar").write_bytes(sparse.getvalue())
    with pytest.raises(Invalid), opened(tmp_path / "base.tar") as listed:
        listed.images()


def test_the_same_wheels_are_laid_the_same(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(WHOLE)
    with opened(made.base(tmp_path / "base.tar")) as archive:
        found = image_builder.survey(archive, tmp_path / "wheels", None, ["odd"])
    assert sorted(planned(found.wheels).places) == sorted(found.laying.places)
    assert {"odd/a.py", "bin/run"} <= found.laying.places.keys()
