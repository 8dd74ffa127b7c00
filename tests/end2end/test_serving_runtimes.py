"""Runtimes that are data, on a real engine: Triton, vLLM and llama.cpp by labelled stand-ins, and one that a file adds."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.records.request import LoggedRequest
from tests.end2end.endpoint_house import NotingService, bearer
from tests.images import engine_client
from tests.stand_ins.images import stand_in

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
PROGRAM = Path(__file__).resolve().parents[1] / "real_models" / "summing_graph.py"


def graph(folder: Path) -> None:
    """Have a graph saved by MLflow, with an example of doubles where the graph has floats."""
    folder.rmdir()
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, str(PROGRAM), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=600)


def hugging_face(folder: Path) -> None:
    """Lay a model as MLflow's transformers flavour does: weights in one folder, the tokenizer in another."""
    for path, content in {
        "model/config.json": json.dumps({"architectures": ["LlamaForCausalLM"]}),
        "model/model.safetensors": struct.pack("<Q", 2).decode("latin-1") + "{}",
        "components/tokenizer/tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}),
        "components/tokenizer/tokenizer.json": "{}",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="latin-1")


def gguf(folder: Path) -> None:
    (folder / "small-q4.gguf").write_bytes(b"GGUF" + struct.pack("<I", 3))


MODELS: dict[str, Callable[[Path], None]] = {"sums": graph, "chat": hugging_face, "small": gguf}


class House:
    def __init__(self, root: Path) -> None:
        self.models = root / "models"
        for name, lay in MODELS.items():
            (self.models / name).mkdir(parents=True)
            lay(self.models / name)
        self.folder = DataFolder(root / "data")
        self.folder.make()
        self.loop, self.engine, self.state = Loop("test"), DockerEngine(), State(self.folder.state_database)
        self.settings = SettingsStore(self.folder.settings)
        self.settings.set("serving.start_timeout_seconds", "600")
        self.service = NotingService(
            self.folder, self.state, Bus(), self.loop, self.settings, self.engine, self.resolve, self.download
        )

    def resolve(self, text: str) -> ModelVersion:
        return ModelVersion(deploy_options.parse_model(text).name, "3", None, "somewhere", "READY")

    def download(self, version: ModelVersion, folder: Path) -> None:
        shutil.copytree(self.models / version.name, folder / "artifact")

    def end(self) -> None:
        for endpoint in self.service.list():
            self.service.remove(endpoint.name)
        self.service.end_gateway()
        self.loop.stop(3)
        self.engine.close()
        self.state.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    images = tmp_path_factory.mktemp("images")
    pairs = [f"{kind}={stand_in(kind, images / kind)}" for kind in ("triton", "vllm", "llama-cpp")]
    before = os.umask(0o077)  # an agent's own; the containers of root's agent run as nobody
    try:
        built = House(tmp_path_factory.mktemp("house"))
        built.settings.set("serving.runtime_images", " ".join(pairs))
        yield built
        built.end()
    finally:
        os.umask(before)


def deployed(house: House, model: str, name: str, runtime: str) -> Endpoint:
    if name not in {one.name for one in house.service.list()}:
        made = house.service.deploy(f"{model}/3", name, runtime=runtime)
        assert made.state is EndpointState.LIVE, made.reason
    return house.service.show(name)


def post(endpoint: Endpoint, path: str, document: object) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.post(f"{endpoint.url}{path}", json=document, headers=bearer(endpoint))


def logged(
    house: House, name: str, count: int, is_wanted: Callable[[Any], bool] = lambda _row: True
) -> list[LoggedRequest]:
    deadline = time.monotonic() + 240
    while len(found := [row for row in house.service.requests(name) if row.status == 200 and is_wanted(row)]) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_triton_serves_a_graph_from_a_repository_that_was_written_for_it(house: House) -> None:
    endpoint = deployed(house, "sums", "sums-v2", "triton")
    assert (endpoint.runtime, endpoint.never_run) == ("triton", True), "it says so until somebody has run a real one"
    assert endpoint.model.uri == "models:/sums/3"
    assert endpoint.example_path == "/v2/models/sums-v2/infer"
    (tensor,) = endpoint.example["inputs"]
    assert tensor == {
        "name": "features", "shape": [2, 3], "datatype": "FP32", "data": [1.0, 2.0, 4.5, 0.5, 0.5, -4.0],
    }  # fmt: skip
    answer = post(endpoint, endpoint.example_path, endpoint.example)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["model_version"], answer.json()["outputs"][0]["data"]) == ("3", [7.5, -3.0])
    newest = logged(house, "sums-v2", 1)[0]
    assert [type(value) for value in newest.outputs.values()] == [float, bool]


def test_the_container_has_no_network_and_its_model_read_only(house: House) -> None:
    endpoint = deployed(house, "sums", "sums-v2", "triton")
    with engine_client() as client:
        inside = client.inspect_container(deploy_options.beside(endpoint.replicas[0].container))
        relay = client.inspect_container(endpoint.replicas[0].container)
    assert [(one["Destination"], one["RW"]) for one in inside["Mounts"]] == [("/models", False)]
    assert relay["HostConfig"]["NetworkMode"] == "none"
    assert inside["HostConfig"]["NetworkMode"] == f"container:{relay['Id']}"
    assert inside["HostConfig"]["ReadonlyRootfs"]
    assert inside["Config"]["User"] not in {"", "root", "0:0"}


@pytest.mark.parametrize(("model", "runtime"), [("chat", "vllm"), ("small", "llama-cpp")])
def test_openai_serves_language_models_by_what_fits_their_files(house: House, model: str, runtime: str) -> None:
    endpoint = deployed(house, model, model, "openai")
    assert (endpoint.runtime, endpoint.never_run) == (runtime, True)
    asked = {"model": model, "messages": [{"role": "user", "content": "good morning"}], "temperature": 0.5, "n": 1}
    said = post(endpoint, "/v1/chat/completions", asked).json()
    assert said["choices"][0]["message"]["content"] == "good morning"
    with httpx.Client(trust_env=False, headers=bearer(endpoint)) as client:
        assert [one["id"] for one in client.get(f"{endpoint.url}/v1/models").json()["data"]] == [model]
    newest = logged(house, model, 1, lambda row: "temperature" in row.inputs)[0]
    assert newest.outputs == {
        "content": "good morning", "finish_reason": "stop", "prompt_tokens": 2, "completion_tokens": 2,
    }  # fmt: skip
    types = {name: type(newest.inputs[name]) for name in ("model", "temperature", "n", "prompt")}
    assert types == {"model": str, "temperature": float, "n": int, "prompt": str}


def test_a_stream_comes_through_piece_by_piece_and_is_logged_as_what_it_says_in_all(house: House) -> None:
    endpoint = deployed(house, "small", "small", "llama-cpp")
    asked = {
        "model": "small", "messages": [{"role": "user", "content": "one two three four"}], "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{endpoint.url}/v1/chat/completions", json=asked, headers=bearer(endpoint)) as answer,
    ):
        pieces = [(time.monotonic(), piece) for piece in answer.iter_raw() if piece]
    assert answer.headers["content-type"] == "text/event-stream"
    assert len(pieces) >= 4, "not gathered on the way"
    assert pieces[-1][1].endswith(b"data: [DONE]\n\n")
    newest = logged(house, "small", 1, lambda row: row.inputs.get("stream") is True)[0]
    assert newest.outputs == {
        "content": "one two three four", "finish_reason": "stop", "prompt_tokens": 4, "completion_tokens": 4,
    }  # fmt: skip


def test_a_model_that_only_a_runtime_can_serve_needs_no_word_for_it(house: House) -> None:
    made = house.service.deploy("small/3", "by-itself")
    assert (made.state, made.runtime) == (EndpointState.LIVE, "llama-cpp"), made.reason
    house.service.remove("by-itself")


def test_a_file_in_the_data_folder_is_a_runtime_and_touches_nothing_else(house: House) -> None:
    own = house.folder.runtimes
    own.mkdir(exist_ok=True)
    image = house.settings.text("serving.runtime_images").split("llama-cpp=")[1].split()[0]
    (own / "our-server.yaml").write_text(
        "# Our server\nserves: [gguf]\nport: 7000\nhealth: /health\nmodel: /weights\n"
        f"image: {{cpu: '{image}'}}\n"
        "command: [--model, '{file}', --alias, '{name}', --host, 127.0.0.1, --port, '{port}']\n"
    )
    (choice,) = [one for one in house.service.runtimes() if one.word == "our-server"]
    assert (choice.title, choice.obstacle, choice.never_run) == ("Our server", None, False)
    endpoint = deployed(house, "small", "ours", "our-server")
    assert endpoint.runtime == "our-server"
    asked = {"model": "ours", "messages": [{"role": "user", "content": "hello"}]}
    assert post(endpoint, "/v1/chat/completions", asked).json()["choices"][0]["message"]["content"] == "hello"
    (own / "our-server.yaml").unlink()
    house.engine.kill(deploy_options.beside(endpoint.replicas[0].container), "KILL")
    deadline = time.monotonic() + 240
    while house.service.show("ours").ready or house.service.show("ours").state is EndpointState.LIVE:
        house.service._watch.look()
        if house.service._trial.is_well("ours", 1, house.service.show("ours").replicas[0].address or ""):
            break
        assert time.monotonic() < deadline
        time.sleep(0.3)
    house.service.remove("ours")


def test_what_stands_against_a_runtime_is_told_with_the_line_to_paste_before_anything_is_made(house: House) -> None:
    before = house.settings.text("serving.runtime_images")
    house.settings.set("serving.runtime_images", "")
    try:
        with pytest.raises(Refused, match=r"The image of NVIDIA Triton, nvcr\.io/nvidia/tritonserver") as refused:
            house.service.deploy("sums/3", "never", runtime="triton")
        assert "docker pull nvcr.io/nvidia/tritonserver" in str(refused.value.hint)
        assert "mlops-desk settings set serving.runtime_images triton=IMAGE" in str(refused.value.hint)
        with pytest.raises(Refused, match=r"vLLM serves on GPUs alone"):
            house.service.deploy("chat/3", "never", runtime="vllm", gpus=0)
        assert "never" not in {one.name for one in house.service.list()}
        told = {one.word: one for one in house.service.runtimes()}
        assert list(told)[:3] == ["training", "build", "machine"], "the order of choice"
        assert told["llama-cpp"].obstacle is not None
        assert "is not on this machine" in told["llama-cpp"].obstacle.text
    finally:
        house.settings.set("serving.runtime_images", before)


def test_a_form_that_a_runtime_does_not_serve_fails_in_words(house: House) -> None:
    made = house.service.deploy("small/3", "wrong", runtime="triton")
    assert made.state is EndpointState.FAILED
    assert made.reason is not None
    assert made.reason.text == "The runtime triton serves models as onnx, and the version's files hold gguf."
    house.service.remove("wrong")


def test_a_try_goes_to_the_path_of_the_runtimes_protocol(house: House) -> None:
    deployed(house, "sums", "sums-v2", "triton")
    tried = house.service.try_("sums-v2")
    assert (tried.status, json.loads(tried.body)["outputs"][0]["data"]) == (200, [7.5, -3.0])
    deployed(house, "small", "small", "llama-cpp")
    asked = {"model": "small", "messages": [{"role": "user", "content": "good night"}]}
    tried = house.service.try_("small", json.dumps(asked))
    assert (tried.status, json.loads(tried.body)["choices"][0]["message"]["content"]) == (200, "good night")
    with pytest.raises(Refused, match="served by an image itself"):
        house.service.replay("small", revision=1)


def test_a_template_cannot_be_exported_and_says_so(house: House, tmp_path: Path) -> None:
    deployed(house, "small", "small", "llama-cpp")
    with pytest.raises(Refused, match="doesn't keep the contract of exported images"):
        house.service.export("small", str(tmp_path / "out"), format="oci")
