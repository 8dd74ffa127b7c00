"""Which runtimes there are, what a model's files are, and what stands in the way of serving them."""

import json
from pathlib import Path

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving.templates.adapters.huggingface import prepare
from mlops_desk.serving.templates.catalogue import BrokenTemplate, RuntimeTemplates, images_in
from mlops_desk.serving.templates.conversion import Conversion, ModelForm, adapter, forms_of

OWN = "serves: [gguf]\nport: 80\nhealth: /h\nmodel: /m\nimage: {cpu: 'own:1'}\nalso: [openai]\n"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def templates(tmp_path: Path, engine: FakeEngine) -> RuntimeTemplates:
    (tmp_path / "runtimes").mkdir()
    return RuntimeTemplates(tmp_path / "runtimes", SettingsStore(tmp_path / "settings.json"), engine)


def put(tmp_path: Path, name: str, text: str = OWN) -> None:
    (tmp_path / "runtimes" / f"{name}.yaml").write_text(text)


def test_ones_own_are_there_at_once_and_hide_those_of_their_name(templates: RuntimeTemplates, tmp_path: Path) -> None:
    assert [one.name for one in templates.known()] == ["llama-cpp", "triton", "vllm"]
    assert templates.words() == ("llama-cpp", "openai", "triton", "vllm")
    put(tmp_path, "ours")
    put(tmp_path, "vllm")
    assert [one.name for one in templates.known()] == ["llama-cpp", "ours", "triton", "vllm"]
    assert templates.meant("vllm")[0].image.cpu == "own:1"
    assert [one.name for one in templates.meant("openai")] == ["llama-cpp", "ours", "vllm"]
    assert templates.meant("auto") == []


def test_a_broken_file_hides_no_other_and_says_so_to_who_means_it(templates: RuntimeTemplates, tmp_path: Path) -> None:
    put(tmp_path, "ours", "serves: 3\n")
    assert [type(one) for one in templates.all()].count(BrokenTemplate) == 1
    assert [one.name for one in templates.meant("openai")] == ["llama-cpp", "vllm"]
    with pytest.raises(Invalid, match=r"ours\.yaml can't be read"):
        templates.meant("ours")


def test_files_that_cannot_be_read_are_no_empty_list(templates: RuntimeTemplates, tmp_path: Path) -> None:
    put(tmp_path, "ours")
    (tmp_path / "runtimes" / "ours.yaml").unlink()
    (tmp_path / "runtimes").rmdir()
    (tmp_path / "runtimes").symlink_to(tmp_path / "runtimes")
    assert len(templates.known()) == 3, "a folder that is none is no folder"


def test_what_the_disk_refuses_is_said(
    templates: RuntimeTemplates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "ours")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(Unavailable, match="can't be read: Permission denied"):
        templates.all()


def test_what_stands_in_the_way_comes_with_the_line_to_paste(templates: RuntimeTemplates, engine: FakeEngine) -> None:
    (triton,), (vllm,) = templates.meant("triton"), templates.meant("vllm")
    missing = templates.obstacle(triton, None)
    assert missing is not None
    assert "is not on this machine" in missing.message
    assert "docker pull nvcr.io/nvidia/tritonserver" in str(missing.hint)
    assert "settings set serving.runtime_images triton=IMAGE" in str(missing.hint)
    without = templates.obstacle(vllm, 0)
    assert without is not None
    assert (without.message, without.hint) == (
        "vLLM serves on GPUs alone by the image that it has.", "Give each replica some: --gpus 1",
    )  # fmt: skip
    engine.add_image(vllm.image.gpu or "")
    assert templates.obstacle(vllm, 1) is None
    assert templates.obstacle(vllm, None) is None, "nobody has said how many"


def test_the_setting_names_another_image_with_gpus_or_without(templates: RuntimeTemplates, tmp_path: Path) -> None:
    SettingsStore(tmp_path / "settings.json").set("serving.runtime_images", "vllm=mine:1  triton=b/c@sha256:0a")
    again = RuntimeTemplates(tmp_path / "runtimes", SettingsStore(tmp_path / "settings.json"), FakeEngine())
    (vllm,) = again.meant("vllm")
    assert [again.image_of(vllm, gpus) for gpus in (None, 0, 2)] == ["mine:1"] * 3
    assert images_in("a=b c=d=e ") == {"a": "b", "c": "d=e"}
    with pytest.raises(Invalid):
        SettingsStore(tmp_path / "settings.json").set("serving.runtime_images", "vllm mine:1")


def test_one_of_several_that_can_serve_is_enough_and_goes_first(
    templates: RuntimeTemplates, engine: FakeEngine, tmp_path: Path
) -> None:
    put(tmp_path, "ours")
    forms = [ModelForm("gguf", tmp_path, tmp_path / "a.gguf")]
    with pytest.raises(Refused, match="is not on this machine"):
        templates.check("openai", 0)
    assert templates.chosen("openai", forms, 0)[0].name == "llama-cpp"
    engine.add_image("own:1")
    templates.check("openai", 0)
    templates.check("auto", 0)
    assert templates.chosen("openai", forms, 0)[0].name == "ours"
    with pytest.raises(Refused, match="serves models as onnx, and the version's files hold gguf"):
        templates.chosen("triton", forms, 0)
    with pytest.raises(Refused, match="hold nothing of the kind"):
        templates.chosen("auto", [], 0)


def test_forms_are_told_by_names_and_links_count_for_nothing(tmp_path: Path) -> None:
    for name in (
        "model/config.json", "model/a-00001-of-00002.safetensors", "model/a-00002-of-00002.safetensors",
        "lone.safetensors", "gguf/mmproj-a.gguf", "gguf/big-00001-of-00002.gguf", "gguf/big-00002-of-00002.gguf",
        "deep/er/model.onnx", "notes.txt",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link.gguf").symlink_to(tmp_path / "notes.txt")
    found = {form.word: form for form in forms_of(tmp_path)}
    assert found["gguf"].file == tmp_path / "gguf/big-00001-of-00002.gguf"
    assert found["safetensors"].folder == tmp_path / "model"
    assert found["onnx"].file == tmp_path / "deep/er/model.onnx"


def test_an_adapter_that_there_is_not_is_named() -> None:
    with pytest.raises(Invalid, match="There is no adapter none"):
        adapter("none")


def laid(tmp_path: Path, **files: str) -> Conversion:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_json", ".json").replace("_jinja", ".jinja")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "model").mkdir(exist_ok=True)
    (tmp_path / "out").mkdir()
    return Conversion(ModelForm("safetensors", tmp_path / "model"), tmp_path, tmp_path / "out", "front", "1", False)


def test_a_tokenizer_that_mlflow_keeps_apart_lies_beside_the_weights(tmp_path: Path) -> None:
    told = json.dumps({"chat_template": "{{ messages }}"})
    order = laid(tmp_path, model__config_json="{}", components__tokenizer__tokenizer_config_json=told)
    assert prepare(order) is None, "the template's own request will do"
    assert sorted(path.name for path in order.target.iterdir()) == ["config.json", "tokenizer_config.json"]


@pytest.mark.parametrize("told", ["{}", "no json", "[]", '{"chat_template": ""}'])
def test_a_model_that_does_not_chat_goes_on_with_a_text(tmp_path: Path, told: str) -> None:
    golden = prepare(laid(tmp_path, model__tokenizer_config_json=told))
    assert golden is not None
    assert (golden.path, json.loads(golden.body)["model"], golden.compared) == (
        "/v1/completions",
        "front",
        ("choices",),
    )


def test_a_chat_template_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    assert (
        prepare(laid(tmp_path, model__tokenizer_config_json="{}", model__chat_template_jinja="{{ messages }}")) is None
    )


def test_weights_without_a_tokenizer_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="without a tokenizer"):
        prepare(laid(tmp_path, model__config_json="{}"))
