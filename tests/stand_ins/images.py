"""Images of the stand-ins, built on this machine's Python, each with a label that says what it is not."""

import json
import subprocess
from pathlib import Path

from tests.images import LABEL, python_image

STAND_IN = "io.mlops-desk.stand-in"
_HERE = Path(__file__).parent
_PROGRAMS = {
    "triton": ("tritonserver.py", "tritonserver", ()),
    "vllm": ("openai_server.py", "openai-server", ("vllm",)),
    "llama-cpp": ("openai_server.py", "openai-server", ("llama",)),
}


def stand_in(kind: str, folder: Path) -> str:
    """Build the image of a stand-in in ``folder`` and return its tag."""
    source, program, words = _PROGRAMS[kind]
    tag = f"mlops-desk-test/stand-in-{kind}:1"
    folder.mkdir(parents=True)
    (folder / "program.py").write_bytes((_HERE / source).read_bytes())
    (folder / "program").write_text('#!/bin/sh\nexec python3 /opt/program.py "$@"\n')
    (folder / "program").chmod(0o755)
    start = f"ENTRYPOINT {json.dumps([program, *words])}\n" if words else ""
    (folder / "Dockerfile").write_text(
        f"FROM {python_image()}\nLABEL {LABEL}=1 {STAND_IN}={kind}\n"
        f"COPY program.py /opt/program.py\nCOPY program /usr/bin/{program}\n{start}"
    )
    command = ["docker", "build", "-q", "-t", tag, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return tag
