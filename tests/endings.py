"""How a container ended, as its engine tells it: which signals it was sent, with which code, how long after the first.

One that ignores TERM ends too, by the KILL that the engine sends after its grace; so the signals are the proof. The
grace is long: what ends by itself in a second does so in half a minute where its machine is slow.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime

TERM, KILL = 15, 9


@dataclass(frozen=True)
class Ending:
    """What became of a container; ``seconds`` is from the first signal to its end, by the engine's own clock."""

    signals: list[int]
    code: int
    seconds: float


def stopped(container: str, grace_seconds: int = 60, address: str | None = None) -> Ending:
    """Have the engine stop a container, which stays; return how it ended."""
    docker = ["docker", *(("-H", address) if address else ())]
    began = time.time()
    _said(*docker, "stop", "-t", str(grace_seconds), container)
    moments = ["--since", f"{began:.6f}", "--until", f"{time.time():.6f}"]
    filters = ["--filter", "event=kill", "--filter", f"container={container}", "--format", "{{json .}}"]
    kills = [json.loads(line) for line in _said(*docker, "events", *moments, *filters).splitlines()]
    (facts,) = json.loads(_said(*docker, "inspect", container))
    end = datetime.fromisoformat(facts["State"]["FinishedAt"]).timestamp()
    signals = [int(one["Actor"]["Attributes"]["signal"]) for one in kills]
    return Ending(signals, facts["State"]["ExitCode"], end - kills[0]["timeNano"] / 1e9)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
