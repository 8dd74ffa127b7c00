"""Lines and Compose files as READMEs of the field show them: what has to be kept of each, and what is told as lost."""

import pytest

from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.imports.importer import read_docker_run, read_import
from mlops_desk.jobs.records.spec import Mount, Resources
from mlops_desk.kit.base.errors import Invalid

GIB = 1 << 30


def read(line):
    job = read_docker_run(line, "/home/ada/w", "/home/ada")
    return parse_spec(job.spec, "/"), [(note.option, note.value) for note in job.notes if note.lost]


def changed(line):
    job = read_docker_run(line, "/home/ada/w", "/home/ada")
    return [(note.option, note.value) for note in job.notes if not note.lost]


def test_pytorch_as_its_readme_runs_it():
    spec, lost = read("docker run --rm -ti --ipc=host --gpus all pytorch/pytorch:latest python main.py --epochs 3")
    assert (spec.image, spec.command) == ("pytorch/pytorch:latest", ("python", "main.py", "--epochs", "3"))
    assert spec.resources == Resources(gpus=1)
    assert lost == [("--rm", ""), ("-t", ""), ("-i", ""), ("--ipc", "host")]


def test_pytorch_for_other_cards():
    spec, lost = read(
        "docker run -it --network=host --device=/dev/kfd --device=/dev/dri --group-add=video --ipc=host "
        "--cap-add=SYS_PTRACE --security-opt seccomp=unconfined --shm-size 8G -v $HOME/dockerx:/dockerx rocm/pytorch"
    )
    assert spec.resources == Resources(shm_bytes=8 * GIB)
    assert spec.mounts == (Mount("/home/ada/dockerx", "/dockerx", "rw"),)
    assert spec.relax == ("seccomp",)
    assert lost == [
        ("-i", ""), ("-t", ""), ("--network", "host"), ("--device", "/dev/kfd"), ("--device", "/dev/dri"),
        ("--group-add", "video"), ("--ipc", "host"), ("--cap-add", "SYS_PTRACE"),
    ]  # fmt: skip


def test_vllm_with_its_token():
    line = """docker run --runtime nvidia --gpus all \\
        -v ~/.cache/huggingface:/root/.cache/huggingface \\
        --env "HUGGING_FACE_HUB_TOKEN=<secret>" \\
        -p 8000:8000 \\
        --ipc=host \\
        vllm/vllm-openai:latest \\
        --model mistralai/Mistral-7B-v0.1"""
    spec, lost = read(line)
    assert (spec.image, spec.command) == ("vllm/vllm-openai:latest", ("--model", "mistralai/Mistral-7B-v0.1"))
    assert spec.mounts == (Mount("/home/ada/.cache/huggingface", "/root/.cache/huggingface", "rw"),)
    assert (spec.ports, spec.env) == ((8000,), {"HUGGING_FACE_HUB_TOKEN": "<secret>"})
    assert lost == [("--ipc", "host")]
    assert ("--env", "HUGGING_FACE_HUB_TOKEN") in changed(line)


def test_vllm_with_a_token_of_the_shell_and_a_volume():
    spec, lost = read(
        "docker run -d --name vllm-server --gpus '\"device=0\"' -v hf-cache:/root/.cache/huggingface -p 8000:8000 "
        "-e HF_TOKEN=${HF_TOKEN} vllm/vllm-openai:latest --model meta-llama/Llama-3.1-8B-Instruct --dtype auto"
    )
    assert (spec.name, spec.resources.gpus, spec.mounts, spec.env) == ("vllm-server", 1, (), {})
    assert lost == [("-d", ""), ("-v", "hf-cache:/root/.cache/huggingface"), ("-e", "HF_TOKEN")]


def test_vllm_on_two_cards_with_its_own_server_command():
    line = (
        "docker run --runtime nvidia --gpus '\"device=1,2\"' --rm -v /data/modelscope:/root/.cache/modelscope "
        '-v "$(pwd):/workspace" -w /workspace -e VLLM_USE_MODELSCOPE=True -p 11435:8000 --ipc=host myvllm vllm serve m'
    )
    spec, lost = read(line)
    assert spec.resources == Resources(gpus=2)
    assert spec.command == ("sh", "-c", 'cd "$0" && exec "$@"', "/workspace", "vllm", "serve", "m")
    assert spec.mounts == (
        Mount("/data/modelscope", "/root/.cache/modelscope", "rw"), Mount("/home/ada/w", "/workspace", "rw"),
    )  # fmt: skip
    assert (spec.ports, spec.env) == ((8000,), {"VLLM_USE_MODELSCOPE": "True"})
    assert lost == [("--rm", ""), ("--ipc", "host")]


TGI = """model=teknium/OpenHermes-2.5-Mistral-7B
volume=$PWD/data # share a volume with the Docker container to avoid downloading weights every run

docker run --gpus all --shm-size 1g -p 8080:80 -v $volume:/data \\
    ghcr.io/huggingface/text-generation-inference:3.3.5 \\
    --model-id $model --num-shard $num_shard
"""


def test_text_generation_inference_with_the_lines_above_it():
    spec, lost = read(TGI)
    assert spec.image == "ghcr.io/huggingface/text-generation-inference:3.3.5"
    assert spec.command == ("--model-id", "teknium/OpenHermes-2.5-Mistral-7B", "--num-shard", "$num_shard")
    assert spec.mounts == (Mount("/home/ada/w/data", "/data", "rw"),)
    assert (spec.resources, spec.ports) == (Resources(gpus=1, shm_bytes=GIB), (80,))
    assert lost == []
    assert ("command", "$num_shard") in changed(TGI)


def test_text_generation_inference_without_the_lines_above_it():
    spec, lost = read(TGI[TGI.index("docker") :])
    assert spec.mounts == ()
    assert lost == [("-v", "$volume:/data")]
    assert ("command", "$model") in changed(TGI[TGI.index("docker") :])


def test_triton_with_a_folder_of_models():
    spec, lost = read(
        "docker run --gpus=1 --rm --net=host -v ${PWD}/model_repository:/models nvcr.io/nvidia/tritonserver:25.06-py3 "
        "tritonserver --model-repository=/models --model-control-mode explicit --load-model densenet_onnx"
    )
    assert spec.command[:2] == ("tritonserver", "--model-repository=/models")
    assert (spec.resources.gpus, spec.mounts) == (1, (Mount("/home/ada/w/model_repository", "/models", "rw"),))
    assert lost == [("--rm", ""), ("--net", "host")]


def test_tensorrt_llm_with_its_limits():
    spec, lost = read(
        "docker run --rm --ipc host --gpus all -p 8000:8000 -it --ulimit memlock=-1 --ulimit stack=67108864 "
        "nvcr.io/nvidia/tensorrt-llm/release:1.0.0"
    )
    assert (spec.name, spec.image, spec.command) == ("release", "nvcr.io/nvidia/tensorrt-llm/release:1.0.0", ())
    assert (spec.ports, spec.resources.gpus) == ((8000,), 1)
    assert lost == [
        ("--rm", ""), ("--ipc", "host"), ("-i", ""), ("-t", ""), ("--ulimit", "memlock=-1"),
        ("--ulimit", "stack=67108864"),
    ]  # fmt: skip


def test_a_container_of_ngc_with_a_command_for_a_shell():
    spec, lost = read(
        'docker run --gpus all -it --rm -v "$PWD":/workspace -w /workspace -p 6006:6006 '
        'nvcr.io/nvidia/tensorflow:22.12-tf1-py3 bash -c "bash docker/setup.sh && bash"'
    )
    assert spec.command[-3:] == ("bash", "-c", "bash docker/setup.sh && bash")
    assert (spec.mounts, spec.ports) == ((Mount("/home/ada/w", "/workspace", "rw"),), (6006,))
    assert lost == [("-i", ""), ("-t", ""), ("--rm", "")]


def test_a_container_of_ngc_by_the_command_of_before():
    spec, lost = read(
        "NV_GPU=0,1 nvidia-docker run -it --ipc=host --ulimit memlock=-1 --rm nvcr.io/nvidia/pytorch:24.07-py3"
    )
    assert spec.resources == Resources(gpus=2)
    assert lost == [("-i", ""), ("-t", ""), ("--ipc", "host"), ("--ulimit", "memlock=-1"), ("--rm", "")]
    assert read("$ nvidia-docker run -it chainer/chainer /bin/bash")[0].resources == Resources(gpus=1)


def test_jupyter_for_who_types_it():
    spec, lost = read(
        'docker run -it --rm -p 10000:8888 -v "${PWD}":/home/jovyan/work --user "$(id -u):$(id -g)" '
        "quay.io/jupyter/scipy-notebook:2025-03-14 start-notebook.py --NotebookApp.token=''"
    )
    assert spec.command == ("start-notebook.py", "--NotebookApp.token=")
    assert (spec.ports, spec.mounts) == ((8888,), (Mount("/home/ada/w", "/home/jovyan/work", "rw"),))
    assert lost == [("-i", ""), ("-t", ""), ("--rm", ""), ("--user", "$(id -u):$(id -g)")]


def test_tensorflow_in_a_notebook_with_a_port_of_the_shell():
    spec, lost = read(
        "PORT=8890\nNOTEBOOKS=/home/ada/notebooks\n\ndocker run -d --gpus all --name test-tf-gpu -p ${PORT}:8888 "
        '-v "${NOTEBOOKS}":/home/jovyan/notebooks tensorflow/tensorflow:latest-gpu-jupyter'
    )
    assert (spec.name, spec.ports) == ("test-tf-gpu", (8888,))
    assert spec.mounts == (Mount("/home/ada/notebooks", "/home/jovyan/notebooks", "rw"),)
    assert lost == [("-d", "")]
    assert read("docker run -p ${PORT}:8888 x")[0].ports == (8888,)
    assert read("docker run -p 8888:${PORT} x") == (parse_spec("{apiVersion: mlops-desk/v1, kind: Job, name: x, image: x}"), [("-p", "8888:${PORT}")])  # fmt: skip


def test_mlflow_with_a_store_of_its_own():
    spec, lost = read(
        "docker run -p 5000:5000 -v ./mlruns:/mlruns -e AWS_SECRET_ACCESS_KEY -e MLFLOW_S3_ENDPOINT_URL=http://minio:9000 "
        "ghcr.io/mlflow/mlflow:v3.1.0 mlflow server --host 0.0.0.0 --backend-store-uri sqlite:////mlruns/m.db"
    )
    assert spec.command[:4] == ("mlflow", "server", "--host", "0.0.0.0")
    assert spec.mounts == (Mount("/home/ada/w/mlruns", "/mlruns", "rw"),)
    assert (spec.ports, spec.env) == ((5000,), {"MLFLOW_S3_ENDPOINT_URL": "http://minio:9000"})
    assert lost == [("-e", "AWS_SECRET_ACCESS_KEY")]


def test_podman_names_gpus_as_devices():
    spec, lost = read("podman run --device nvidia.com/gpu=all --security-opt=label=disable --ipc=host -it granite -s")
    assert (spec.resources, spec.command) == (Resources(gpus=1), ("-s",))
    assert lost == [("--security-opt", "label=disable"), ("--ipc", "host"), ("-i", ""), ("-t", "")]
    two = "podman run --device nvidia.com/gpu=GPU-1a --device nvidia.com/gpu=0 --device /dev/nvidia-uvm img"
    assert read(two)[1] == [("--device", "/dev/nvidia-uvm")]


def test_cards_named_by_numbers_are_counted():
    spec, lost = read(
        "docker run --rm --gpus 4,5,6,7 --shm-size=128g -v $(realpath $(pwd)):/workspace com_kitchens/vidchapters "
        "python -m torch.distributed.launch --nproc_per_node 4"
    )
    assert spec.resources == Resources(gpus=4, shm_bytes=128 * GIB)
    assert lost == [("--rm", ""), ("-v", "$(realpath $(pwd)):/workspace")]


def test_a_value_that_a_command_would_have_given():
    spec, lost = read('docker run --gpus all --env KLEINKRAM_CONFIG="$(cat ~/.kleinkram.json)" grand python a.py')
    assert (spec.env, spec.command) == ({}, ("python", "a.py"))
    assert lost == [("--env", "KLEINKRAM_CONFIG")]


def test_what_stands_in_single_quotes_is_for_the_container():
    spec, _ = read('docker run img bash -c \'cd $HOME && python $SCRIPT "$(pwd)"\' \\$HOME "\\$X" $HOME')
    assert spec.command == ("bash", "-c", 'cd $HOME && python $SCRIPT "$(pwd)"', "$HOME", "$X", "/home/ada")
    assert changed("docker run img bash -c 'echo $A'") == []


def test_two_sets_of_cards_and_a_display():
    spec, lost = read(
        "sudo docker run --gpus all --env NVIDIA_DISABLE_REQUIRE=1 -dit --name pose --cap-add=SYS_PTRACE "
        "-e DISPLAY=${DISPLAY} -v /tmp/.X11-unix:/tmp/.X11-unix -v /var/run/docker.sock:/var/run/docker.sock pose:1 bash"
    )
    assert (spec.name, spec.command) == ("pose", ("bash",))
    assert spec.mounts == (Mount("/tmp/.X11-unix", "/tmp/.X11-unix", "rw"),)
    assert lost == [
        ("--env", "NVIDIA_DISABLE_REQUIRE=1"), ("-d", ""), ("-i", ""), ("-t", ""), ("--cap-add", "SYS_PTRACE"),
        ("-e", "DISPLAY"), ("-v", "/var/run/docker.sock:/var/run/docker.sock"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("docker run vllm --model m >& vllm.log &", "The line goes on after '>&', with what only a shell does."),
        ("docker run img a\ncurl localhost", "More than one command is given."),
        ("cd x && docker run img", "The line goes on after '&&', with what only a shell does."),
        ("docker run img; rm x", "The line goes on after ';', with what only a shell does."),
        ("docker run img 'a\\", "The line can't be read: No closing quotation."),
        ('docker run img "a', "The line can't be read: No closing quotation."),
        ("model=a", "This is no line of docker run."),
    ],
)
def test_what_goes_on_is_refused(line, message):
    with pytest.raises(Invalid) as caught:
        read(line)
    assert caught.value.message == message


@pytest.mark.parametrize("line", ["docker run img a &", "docker run img a;", "docker run img a # b\n\n# c", "export A=1 && docker run img a", "A=1; docker run img a"])  # fmt: skip
def test_what_ends_a_command_is_no_part_of_it(line):
    if "&&" in line:
        with pytest.raises(Invalid):
            read(line)
        return
    assert read(line)[0].command == ("a",)


COMPOSE = """
services:
  tgi:
    image: ghcr.io/huggingface/text-generation-inference:latest
    container_name: tgi
    ports: [8080:80]
    volumes: ["${LOCAL_MODEL_CACHE_DIR}:/model_cache", "./models:/models:ro"]
    environment: ["HUGGING_FACE_HUB_TOKEN=${LLAMA_TOKEN}"]
    deploy:
      resources:
        reservations:
          devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]
    command: ["--model-id", "${MODEL_ID:-tiiuae/falcon-7b}", "--quantize", "${QUANT}"]
    ulimits: {memlock: -1, stack: 67108864}
    shm_size: 1gb
  trainer:
    build: {context: ., dockerfile: Dockerfile.pytorch, args: {PYTHON_VERSION: "3.11"}}
    runtime: nvidia
    environment: {MLFLOW_TRACKING_URI: "http://mlflow:5000", NVIDIA_VISIBLE_DEVICES: all}
    volumes: [".:/app", "mlflow-volume:/mlflow"]
    depends_on: [mlflow]
    healthcheck: {test: [CMD, curl, -f, "http://localhost:9000"], interval: 30s}
    restart: unless-stopped
  mlflow: {image: mlflow-server, ports: ["5000:5000"], networks: [backend, frontend]}
volumes: {mlflow-volume: }
"""


def compose(name):
    job = read_import(COMPOSE, None, name, "/home/ada/w", "/home/ada").jobs[0]
    lost = [(note.option.removeprefix(f"services.{name}."), note.value) for note in job.notes if note.lost]
    return parse_spec(job.spec, "/home/ada/w"), lost


def test_compose_of_a_server_for_text():
    spec, lost = compose("tgi")
    assert spec.command == ("--model-id", "tiiuae/falcon-7b", "--quantize", "${QUANT}")
    assert (spec.resources, spec.ports) == (Resources(gpus=1, shm_bytes=GIB), (80,))
    assert spec.mounts == (Mount("/home/ada/w/models", "/models", "ro"),)
    assert lost == [
        ("container_name", "tgi"),
        ("volumes", "${LOCAL_MODEL_CACHE_DIR}:/model_cache"),
        ("environment", "HUGGING_FACE_HUB_TOKEN"),
        ("ulimits", "memlock: -1, stack: 67108864"),
        ("volumes", ""),
    ]


def test_compose_of_a_training_beside_mlflow():
    spec, lost = compose("trainer")
    assert (spec.resources.gpus, spec.env) == (1, {"MLFLOW_TRACKING_URI": "http://mlflow:5000"})
    assert spec.mounts == (Mount("/home/ada/w", "/app", "rw"),)
    assert lost == [
        ("build.args", "PYTHON_VERSION: 3.11"),
        ("volumes", "mlflow-volume:/mlflow"),
        ("depends_on", "mlflow"),
        ("healthcheck", "test: CMD, curl, -f, http://localhost:9000, interval: 30s"),
        ("restart", "unless-stopped"),
        ("volumes", ""),
    ]
    assert compose("mlflow")[1] == [("networks", "backend"), ("networks", "frontend"), ("volumes", "")]
