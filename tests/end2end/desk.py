"""Drives the real program as another program would: the command line, its JSON, its exit codes."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 240.0
"""How long what has to come is waited for; chosen: a minute on a quick machine, and four where it is a quarter as fast.
Only a test that fails waits so long."""
MODEL_START_SECONDS = 600
"""What a model is given to start: to load MLflow and scikit-learn takes 6 s of a core, and several wait for the same."""
_VERB_SECONDS = 900
"""What a verb may take that makes an image, say: it is ended where it hangs."""
_STARTS = 4
"""How often an agent is waited for that was started and has not answered yet: a machine that is four times as busy."""
_STARTS_YET = re.compile(r"The agent for .* did not answer within")


@dataclass
class Desk:
    """The command line on one data folder; ``prefix`` stands before each command (another namespace, say)."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)

    def run(self, *words: str, timeout: float = _VERB_SECONDS, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``mlops-desk WORDS`` to its end. An agent that is not up yet was asked nothing: it is waited for."""
        command = [*self.prefix, sys.executable, "-m", "mlops_desk", *words]
        environment = self.whole_environment()
        for _ in range(_STARTS if check else 1):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
            )
            if not _STARTS_YET.search(done.stderr):
                break
        if check and done.returncode != 0:
            told = [*self.folder.glob("**/log/agent.log"), *self.folder.glob("**/log/agent.out")]
            tail = "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in told)
            raise AssertionError(f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{tail}")
        return done

    def whole_environment(self) -> dict[str, str]:
        """Return the environment that each command gets."""
        return {**os.environ, "MLOPS_DESK_DATA_DIR": str(self.folder), **self.environment}

    def json(self, *words: str, timeout: float = _VERB_SECONDS) -> Any:
        """Run a command with ``--json`` last; stdout must be one document and nothing else."""
        return json.loads(self.run(*words, "--json", timeout=timeout).stdout)

    def wait(self, what: Callable[[], Any], until: Callable[[Any], bool], seconds: float = PATIENCE_SECONDS) -> Any:
        """Ask until the answer fits; fails with the last answer.

        Each question is a process, whose start is what other tests would compute with: what lasts is asked less often.
        Four files that asked once a second took a core of a slow machine for it.
        """
        began = time.monotonic()
        deadline = began + seconds
        while True:
            answer = what()
            if until(answer):
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {answer}")
            time.sleep(min(2.0, max(0.3, (time.monotonic() - began) / 10)))

    def stop(self) -> None:
        """End everything that this folder started, and keep no room: there are many such folders."""
        self.run("agent", "stop", "--all", check=False)
        with contextlib.suppress(OSError):
            (self.folder / "reserve").unlink(missing_ok=True)


def iris_project(folder: Path) -> Path:
    """Write a user's project into a folder: code, data, and fresh data that has moved a little."""
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
    frame.columns = [name.replace(" (cm)", "").replace(" ", "_") for name in frame.columns]
    for name, shift in (("data", 0.0), ("fresh", 0.4)):
        (folder / name).mkdir()
        frame.assign(sepal_length=frame["sepal_length"] + shift).to_csv(folder / name / "iris.csv", index=False)
    (folder / "code").mkdir()
    shutil.copy(Path(__file__).with_name("train_iris.py"), folder / "code")
    return folder
