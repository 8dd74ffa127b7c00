"""Variants on the real engine: a network of three layers as float32, float16 and int8, and a model that is no graph."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.service import EndpointsService
from mlops_desk.serving.test_requests import LABEL
from tests.images import python_image
from tests.onnx_graph import ROWS, WIDTH, write_graph
from tests.scoring import odd_model
from tests.wheels import closure

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a graph of random weights, and an example of it."""
    return write_graph(tmp_path_factory.mktemp("graph"))


@contextmanager
def service(root: Path, image: str, files: Path) -> Iterator[tuple[EndpointsService, DockerEngine]]:
    folder, loop, engine = DataFolder(root / "data"), Loop("test"), DockerEngine()
    folder.make()
    state = State(folder.state_database)
    version = ModelVersion("net", "3", "run-1", "somewhere", "READY")

    def download(_version: ModelVersion, to: Path) -> object:
        return shutil.copytree(files, to, dirs_exist_ok=True)

    try:
        yield (
            EndpointsService(
                folder, state, Bus(), loop, SettingsStore(folder.settings), engine, lambda _text: version, download,
                find_trained=lambda _version: (engine.image(image).id, "job-1"),
            ),
            engine,
        )  # fmt: skip
    finally:
        loop.stop()
        state.close()
        engine.close()


@pytest.fixture(scope="module")
def onnx_image() -> str:
    return python_image(closure(("onnx", "onnxruntime", "numpy")))


def test_three_variants_of_a_graph_are_measured_and_nothing_stays(onnx_image: str, graph: Path, tmp_path: Path) -> None:
    with service(tmp_path, onnx_image, graph) as (made, engine):
        found = made.compare("net/3", threads="1,2")
        assert [(one.variant, one.threads, one.error) for one in found.variants] == [
            (name, threads, None) for name in ("float32", "float16", "int8") for threads in (1, 2)
        ]
        for one in found.variants:
            print(one)
            assert one.rows == ROWS
            assert one.p50_seconds is not None
            assert one.p95_seconds is not None
            assert 0 < one.p50_seconds <= one.p95_seconds
            assert one.agreement is not None
            assert one.agreement >= 0.9
        print(found.processor, found.advice)
        whole, half, quarter = (one for one in found.variants if one.threads == 1)
        assert (whole.changed, half.changed, quarter.changed) == (None, 3, 6)
        assert whole.size_bytes is not None
        assert half.size_bytes is not None
        assert quarter.size_bytes is not None
        assert whole.size_bytes > 1.9 * half.size_bytes > 1.9 * quarter.size_bytes
        assert found.note is None
        assert engine.containers({LABEL: ""}) == []
        assert not list((tmp_path / "data").rglob("*.onnx"))


def test_labels_give_the_accuracy(onnx_image: str, graph: Path, tmp_path: Path) -> None:
    names = [f"c{index}" for index in range(WIDTH)]
    lines = [",".join([*names, "right"]), ",".join(["0.5"] * WIDTH + ["0"]), ",".join(["0.5"] * WIDTH + ["99"])]
    with service(tmp_path, onnx_image, graph) as (made, _):
        found = made.compare("net/3", variants="float32", threads="1", data="\n".join(lines), label="right")
        assert [one.accuracy for one in found.variants] in ([0.5], [0.0])  # the 99 is never right
        with pytest.raises(Invalid, match="no column"):
            made.compare("net/3", data="\n".join(lines), label="wrong")


def test_a_model_that_is_no_graph_is_measured_by_threads_alone(training_image: str, tmp_path: Path) -> None:
    files = odd_model(tmp_path / "odd", {"dataframe_split": {"columns": ["do"], "data": [["a"], ["b"]]}})
    with service(tmp_path, training_image, files) as (made, _):
        found = made.compare("net/3", threads="1")
        assert [(one.variant, one.rows, one.error) for one in found.variants] == [("as it is", 2, None)]
        assert found.note is not None
        assert "no ONNX graph" in found.note


def test_an_image_without_the_tools_says_which_variants_there_are_not(graph: Path, tmp_path: Path) -> None:
    image = python_image(closure(("onnxruntime", "numpy")))
    with service(tmp_path, image, graph) as (made, _):
        found = made.compare("net/3", threads="1")
        assert [(one.variant, one.error is None) for one in found.variants] == [
            ("float32", True), ("float16", False), ("int8", False),
        ]  # fmt: skip
        assert "onnx" in (found.variants[1].error or "")
        assert found.advice.startswith("Stay with float32")


def test_a_model_that_can_not_be_loaded_says_why(onnx_image: str, tmp_path: Path) -> None:
    files = odd_model(tmp_path / "odd", {"dataframe_split": {"columns": ["do"], "data": [["a"]]}})
    with service(tmp_path, onnx_image, files) as (made, _):  # an image without MLflow
        found = made.compare("net/3", threads="1")
        assert "mlflow" in (found.variants[0].error or "")
        assert found.advice == "No variant could be measured."
    with service(tmp_path / "again", python_image(), files) as (made, _), pytest.raises((Refused, Invalid)):
        made.compare("net/3", threads="1", data="[]")


def test_a_comparison_tells_how_far_it_is_and_leaves_nothing_when_it_is_stopped(
    onnx_image: str, graph: Path, tmp_path: Path
) -> None:
    with service(tmp_path, onnx_image, graph) as (made, engine):
        ended: list[DeskError] = []
        loop = made._loop

        def compare() -> None:
            try:
                made.compare("net/3", threads="1,2,3,4", ticket="t-1")
            except DeskError as error:
                ended.append(error)

        loop.start("compare", compare)
        deadline = time.monotonic() + 240
        told = None
        while time.monotonic() < deadline and not ended and (told is None or not told.done):
            time.sleep(0.05)
            with suppress(NotFound):
                told = made.progress("t-1")
        assert told is not None, ended
        assert (told.text, told.total) == ("Measuring variants.", 12)
        made.cancel("t-1")
        while time.monotonic() < deadline and not ended:
            time.sleep(0.05)
        assert "The comparison was stopped" in ended[0].message
        assert engine.containers({LABEL: ""}) == []
        assert not list((tmp_path / "data").rglob("*.onnx"))
        assert made.compare("net/3", variants="float32", threads="1").variants, "it can be done again"
