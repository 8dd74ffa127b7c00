"""An agent that tells which modules it has loaded: ``python -m tests.end2end.agent_modules FOLDER``.

It is the agent and nothing else, but for a thread that writes them down each time ``modules.asked`` appears in FOLDER.
"""

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mlops_desk.desk import agent_process

ASKED, TOLD = "modules.asked", "modules.json"
_LOOK_SECONDS = 0.1


def tell(folder: Path) -> None:
    """Write down what is loaded whenever somebody asks, and what the process has used of a processor."""
    while True:
        time.sleep(_LOOK_SECONDS)
        if (folder / ASKED).exists():
            told = {"modules": sorted(sys.modules), "cpu_seconds": time.process_time()}
            (folder / "modules.new").write_text(json.dumps(told))
            (folder / "modules.new").rename(folder / TOLD)
            (folder / ASKED).unlink()


def own(modules: Sequence[str]) -> list[str]:
    """Return those of this program."""
    return [name for name in modules if name.partition(".")[0] == "mlops_desk"]


if __name__ == "__main__":
    threading.Thread(target=tell, args=(Path(sys.argv[1]),), daemon=True).start()
    sys.exit(
        agent_process.main(agent_process.DataFolder(Path(sys.argv[1])))
    )  # as each commit has it, whatever its modules are called
