"""A stand-in for servers of OpenAI's protocol, vLLM's and llama.cpp's: their options, their files, chats and streams.

It is none: it has no model, and says again what it was told. It refuses options that the real ones do not have and
files that they would not load. Protocol: OpenAI's API reference, ``chat/completions`` and ``completions``.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OPTIONS = {
    "vllm": {"model", "served-model-name", "host", "port", "tensor-parallel-size"},
    "llama": {"model", "alias", "host", "port", "n-gpu-layers"},
}
STARTED = int(time.time())


def options(kind: str, words: list[str]) -> dict[str, str]:
    """Read ``--name value`` and ``--name=value``."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, mark, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in OPTIONS[kind]:
            sys.exit(f"error: unrecognized arguments: {word}")
        found[name] = value if mark else next(rest)
    return found


def check(kind: str, model: Path) -> None:
    if kind == "llama":
        with model.open("rb") as file:
            if file.read(4) != b"GGUF":
                sys.exit(f"error: {model} is no GGUF file")
        return
    if os.environ.get("HF_HUB_OFFLINE") != "1":
        sys.exit("error: it would ask the hub")
    for name in ("config.json", "tokenizer_config.json"):
        json.loads((model / name).read_text())
    if not list(model.glob("*.safetensors")):
        sys.exit(f"error: Cannot find any model weights with `{model}`")


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": self.name, "object": "model", "created": STARTED}]})
        else:
            self.answer(404, {"error": {"message": "Not Found", "code": 404}})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path not in {"/v1/chat/completions", "/v1/completions"}:
            self.answer(404, {"error": {"message": "Not Found", "code": 404}})
            return
        if asked.get("model") != self.name:
            text = f"The model `{asked.get('model')}` does not exist."
            self.answer(404, {"error": {"message": text, "type": "NotFoundError", "code": 404}})
            return
        is_chat = self.path.endswith("chat/completions")
        text = asked["messages"][-1]["content"] if is_chat else asked["prompt"]
        words = text.split()[-asked.get("max_tokens", 100) :]
        usage = {"prompt_tokens": len(text.split()), "completion_tokens": len(words)}
        if asked.get("stream"):
            self.stream(words, usage if asked.get("stream_options", {}).get("include_usage") else None)
            return
        said: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        said |= {"message": {"role": "assistant", "content": " ".join(words)}} if is_chat else {"text": " ".join(words)}
        self.answer(200, {"id": f"chat-{time.time_ns()}", "created": int(time.time()), "model": self.name,
                          "choices": [said], "usage": usage})  # fmt: skip

    def stream(self, words: list[str], usage: dict[str, int] | None) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, word in enumerate(words):
            delta = {"content": word if number == 0 else f" {word}"}
            last = "stop" if number == len(words) - 1 else None
            self.event(json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": last}]}))
            time.sleep(0.05)
        if usage is not None:
            self.event(json.dumps({"choices": [], "usage": usage}))
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, text: str) -> None:
        piece = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    kind = sys.argv[1]
    asked = options(kind, sys.argv[2:])
    check(kind, Path(asked["model"]))
    Server.name = asked["served-model-name" if kind == "vllm" else "alias"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"stand-in: {kind} listens on {asked['host']}:{asked['port']}", flush=True)
    ThreadingHTTPServer((asked["host"], int(asked["port"])), Server).serve_forever()


if __name__ == "__main__":
    main()
