"""Which runtimes are told to be possible for a version, by the files that it has."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.desk.model_composition import weighed
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.records.model_files import ModelFileFacts
from mlops_desk.serving.operations.runtimes import RuntimeVerbs
from mlops_desk.serving.records.runtime_choice import RuntimeChoice
from mlops_desk.serving.runtimes.files import FilesTold
from mlops_desk.serving.templates.catalogue import RuntimeTemplates

TEMPLATES = ("llama-cpp", "triton", "vllm")


class Verbs(RuntimeVerbs):
    """All images of templates are at the engine; ``told`` is what is known of every version's files."""

    def __init__(self, folder: Path, told: FilesTold | Exception) -> None:
        engine = FakeEngine()
        self._templates = RuntimeTemplates(folder / "runtimes", SettingsStore(folder / "settings.json"), engine)
        for one in self._templates.known():
            engine.add_image(self._templates.image_of(one, None) or "")
        self._maker = SimpleNamespace(trained=lambda _version: None)  # type: ignore[assignment]  # all that is asked
        self._resolve = lambda _text: ModelVersion("digits", "3", "r", "s", "READY")
        self._told = told

    def _weigh(self, _version: ModelVersion) -> FilesTold:
        if isinstance(self._told, Exception):
            raise self._told
        return self._told

    def of_templates(self, model: str | None = "digits") -> dict[str, RuntimeChoice]:
        return {one.word: one for one in self.runtimes(model) if one.word in TEMPLATES}


def possible(found: dict[str, RuntimeChoice]) -> set[str]:
    return {word for word, one in found.items() if one.obstacle is None}


@pytest.mark.parametrize(
    ("formats", "can"),
    [
        (("onnx",), {"triton"}),
        (("gguf",), {"llama-cpp"}),
        (("safetensors",), {"vllm"}),
        (("onnx", "gguf"), {"triton", "llama-cpp"}),
        (("cloudpickle",), set()),
    ],
)
def test_a_runtime_that_serves_no_such_files_is_not_possible(
    tmp_path: Path, formats: tuple[str, ...], can: set[str]
) -> None:
    assert possible(Verbs(tmp_path, FilesTold(1, formats=formats)).of_templates()) == can


def test_it_says_which_files_there_are_and_which_it_serves(tmp_path: Path) -> None:
    obstacle = Verbs(tmp_path, FilesTold(1, formats=("onnx",))).of_templates()["llama-cpp"].obstacle
    assert obstacle is not None
    assert obstacle.text == "llama.cpp serves gguf models, and this version's files are onnx."
    assert obstacle.hint == "Choose another runtime."


@pytest.mark.parametrize("told", [FilesTold(), FilesTold(5, formats=()), Unavailable("The registry is away.")])
def test_what_is_not_known_of_the_files_stands_against_none(tmp_path: Path, told: FilesTold | Exception) -> None:
    assert possible(Verbs(tmp_path, told).of_templates()) == set(TEMPLATES)


def test_without_a_version_no_files_are_looked_at(tmp_path: Path) -> None:
    assert possible(Verbs(tmp_path, FilesTold(1, formats=("onnx",))).of_templates(None)) == set(TEMPLATES)


@pytest.mark.parametrize(("n_files", "known"), [(3, ("onnx",)), (65, None), (None, None)])
def test_formats_of_files_that_were_not_all_looked_at_are_not_known(
    n_files: int | None, known: tuple[str, ...] | None
) -> None:
    facts = ModelFileFacts("digits", "3", {"onnx": {}}, ("onnx",), size_bytes=7, n_files=n_files)
    registry = SimpleNamespace(shelf=SimpleNamespace(facts_of_version=lambda *_asked: facts))
    told = weighed(registry, ModelVersion("digits", "3", "r", "s", "READY"))  # type: ignore[arg-type]  # as above
    assert told == FilesTold(7, ("onnx",), known)
