"""A stand-in for NVIDIA Triton's server: the options, the repository and the part of Open Inference v2 that are used.

It is none: it runs no graph. It refuses options that the real one does not have and a repository that it would not
load, and answers each row with the sum of its numbers, as FP32. Protocol: kserve/open-inference-protocol,
``inference_rest.md``; options: triton-inference-server/server, ``docs``.
"""

import json
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPTIONS = {
    "model-repository", "model-control-mode", "http-address", "http-port", "allow-grpc", "allow-metrics",
    "exit-timeout-secs",
}  # fmt: skip


def options(words: list[str]) -> dict[str, str]:
    found = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    if unknown := found.keys() - OPTIONS:
        sys.exit(f"error: unrecognized option '--{unknown.pop()}'")
    return found


def load(repository: Path) -> tuple[str, str, dict[str, str]]:
    """Return the one model: name, version, and the types of its inputs by name."""
    (folder,) = repository.iterdir()
    text = (folder / "config.pbtxt").read_text()
    (name,) = re.findall(r'^name: "(.*)"$', text, re.MULTILINE)
    (file,) = re.findall(r'^default_model_filename: "(.*)"$', text, re.MULTILINE)
    (version,) = re.findall(r"versions: \[ (\d+) \]", text)
    if name != folder.name or not (folder / version / file).is_file():
        sys.exit(f"error: creating server: Internal - failed to load all models: {name}")
    return name, version, dict(re.findall(r'^input \[ \{ name: "(.*?)" data_type: TYPE_(\w+) ', text, re.MULTILINE))


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name, version = "", ""
    inputs: dict[str, str] = {}  # noqa: RUF012 - set once, before the first request

    def do_GET(self) -> None:
        of_model = f"/v2/models/{self.name}"
        if self.path in {"/v2/health/live", "/v2/health/ready", f"{of_model}/ready"}:
            self.answer(200, None)
        elif self.path == of_model:
            told = [{"name": name, "datatype": type_, "shape": [-1]} for name, type_ in self.inputs.items()]
            self.answer(200, {"name": self.name, "versions": [self.version], "inputs": told})
        else:
            self.answer(404, {"error": f"unknown path {self.path}"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        of_model = f"/v2/models/{self.name}"
        if self.path not in {f"{of_model}/infer", f"{of_model}/versions/{self.version}/infer"}:
            self.answer(404, {"error": f"Request for unknown model: {self.path} is not found"})
            return
        tensors = {one["name"]: one for one in asked["inputs"]}
        if tensors.keys() != self.inputs.keys():
            self.answer(400, {"error": f"expected {len(self.inputs)} inputs but got {len(tensors)} inputs"})
            return
        sums: list[float] = []
        for one in tensors.values():
            wanted = {"STRING": "BYTES"}.get(self.inputs[one["name"]], self.inputs[one["name"]])
            if one["datatype"] != wanted:
                self.answer(
                    400, {"error": f"inference input data-type is '{one['datatype']}', model expects '{wanted}'"}
                )
                return
            rows = one["shape"][0]
            numbers = [value if isinstance(value, (int, float)) else len(value) for value in one["data"]]
            width = len(numbers) // rows
            found = [float(sum(numbers[at * width : (at + 1) * width])) for at in range(rows)]
            sums = [a + b for a, b in zip(sums or [0.0] * rows, found, strict=True)]
        output = {"name": "sum", "datatype": "FP32", "shape": [len(sums)], "data": sums}
        positive = {"name": "positive", "datatype": "BOOL", "shape": [len(sums)], "data": [one > 0 for one in sums]}
        told = {"model_name": self.name, "model_version": self.version, "outputs": [output, positive]}
        self.answer(200, told | ({"id": asked["id"]} if "id" in asked else {}))

    def answer(self, status: int, document: object) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    asked = options(sys.argv[1:])
    Server.name, Server.version, Server.inputs = load(Path(asked["model-repository"]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"stand-in: Started HTTPService at {asked['http-address']}:{asked['http-port']}", flush=True)
    ThreadingHTTPServer((asked["http-address"], int(asked["http-port"])), Server).serve_forever()


if __name__ == "__main__":
    main()
