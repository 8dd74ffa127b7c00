"""Other servers to measure beside the gateway: `mlflow models serve`, and LiteLLM's proxy before the same C program.

They live in an environment of their own, ``build/peers``, which is made at first use by pip; where that fails it is said
why, and their rows are left out. MLflow's serves a model that costs nothing, in its own process: it proxies nothing.
LiteLLM passes a chat of 1.4 kB on, which is what it speaks; it checks a key and logs nothing.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import BODY, Place, free_port, upstream, wait_for_port

PEERS = Path(__file__).resolve().parents[2] / "build" / "peers"
KEY = "sk-0123456789abcdef"
CHAT = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "What is in the box? " * 65}], "max_tokens": 8}
).encode()
SAID = json.dumps(
    {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A cat."}}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 3, "total_tokens": 303},
    }
)  # fmt: skip
SAVE = """
import sys, mlflow.pyfunc
class Costless(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return [0.51234]
mlflow.pyfunc.save_model(sys.argv[1], python_model=Costless())
"""
_START_SECONDS = 120.0


def environment() -> Path | None:
    """Return the folder of the peers' programs; None, said why, where they can't be installed."""
    if not (PEERS / "bin" / "litellm").exists():
        for command in (
            [sys.executable, "-m", "venv", str(PEERS)],
            [str(PEERS / "bin" / "pip"), "install", "-q", "litellm[proxy]", "mlflow"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"(the peers are left out: {' '.join(command)} says {done.stderr[-400:]})", file=sys.stderr)
                return None
    return PEERS / "bin"


@contextmanager
def mlflow_server(root: Path) -> Iterator[Place | None]:
    """Run MLflow's own server with one worker."""
    programs = environment()
    if programs is None:
        yield None
        return
    model, port = root / "mlflow-model", free_port()
    subprocess.run([str(programs / "python"), "-c", SAVE, str(model)], check=True, capture_output=True)
    command = [str(programs / "mlflow"), "models", "serve", "-m", str(model), "-p", str(port), "-h", "127.0.0.1"]
    with _running([*command, "--env-manager", "local", "-w", "1"], root / "mlflow.out", programs, port):
        yield Place("mlflow models serve, one worker", port, "/invocations", None, BODY)


@contextmanager
def litellm(root: Path) -> Iterator[Place | None]:
    """Run LiteLLM's proxy with one worker before a program that answers chats at once."""
    programs = environment()
    if programs is None:
        yield None
        return
    with upstream(root, "chat", SAID) as (_, behind):
        config, port = root / "litellm.yaml", free_port()
        model = {"model": "openai/m", "api_base": f"http://127.0.0.1:{behind}/v1", "api_key": "none"}
        settings = {"general_settings": {"master_key": KEY}, "litellm_settings": {"num_retries": 0}}
        config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": model}], **settings}))
        command = [str(programs / "litellm"), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
        with _running([*command, "--num_workers", "1"], root / "litellm.out", programs, port):
            yield Place("LiteLLM's proxy, one worker", port, "/v1/chat/completions", None, CHAT, KEY)


@contextmanager
def _running(command: list[str], output: Path, programs: Path, port: int) -> Iterator[None]:
    known = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    known |= {"LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with output.open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, env=known, start_new_session=True)
    try:
        wait_for_port(port, _START_SECONDS)
        yield
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
