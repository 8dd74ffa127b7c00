"""Stand-in for NVIDIA's container hook, with which an engine hands over GPUs on a machine that has none.

An engine offers its "nvidia" device driver when a program called nvidia-container-runtime-hook is on
its own PATH as it starts; runc calls that before the container's program, with the container's state on
stdin. This one knows the GPUs listed in the file ``gpus`` beside it, one UUID a line, puts a device
/dev/nvidia<line> (a copy of /dev/null) into the container, and refuses others as the real one does.
"""

import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    if sys.argv[1:2] != ["prestart"]:
        return
    state = json.load(sys.stdin)
    config = json.loads(Path(state["bundle"], "config.json").read_text())
    env = dict(word.split("=", 1) for word in config["process"]["env"] if "=" in word)
    root = Path(state["bundle"], config["root"]["path"])
    for index in _indexes(env.get("NVIDIA_VISIBLE_DEVICES", "")):
        device = f"{root}/dev/nvidia{index}"
        enter = ["nsenter", "-t", str(state["pid"]), "-m", "mknod", "-m", "666", device, "c", "1", "3"]
        subprocess.run(enter, check=True)


def _indexes(wanted: str) -> list[int]:
    known = Path(__file__).with_name("gpus").read_text().split()
    if wanted == "all":
        return list(range(len(known)))
    words = [word for word in wanted.split(",") if word not in {"", "none", "void"}]
    for word in words:
        if word not in known:
            sys.exit(f"nvidia-container-cli: device error: {word}: unknown device")
    return [known.index(word) for word in words]


if __name__ == "__main__":
    main()
