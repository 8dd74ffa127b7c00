"""An agent that stands still in a step of a retraining until somebody kills it.

    python -m tests.end2end.doomed_loop FOLDER STEP WHEN MARK

It is the real agent of a data folder. In STEP it stops ``before`` its work or ``after`` it, before anything of that is
written down; the file MARK says that it does, and how run and step stand as they are written down. STEP "never" is an
agent as any other.
"""

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.automation.rules.pipeline.driver import PipelineDriver
from mlops_desk.desk import agent_process
from mlops_desk.kit.base.disk.paths import DataFolder


def stands_still(work: Callable[[PipelineRun], Any], name: StepName, when: str, mark: Path, run: PipelineRun) -> None:
    """Do a step's work, unless it is to end before."""
    if when == "after":
        work(run)
    mark.write_text(f"{run.state} {run.step(name).state}")
    threading.Event().wait()


def main(folder: str, step: str, when: str, mark: str) -> int:
    begin = PipelineDriver.__init__

    def doomed(driver: PipelineDriver, *arguments: Any, **named: Any) -> None:
        begin(driver, *arguments, **named)
        steps = driver._steps
        driver._steps = {
            name: partial(stands_still, work, name, when, Path(mark)) if name == step else work
            for name, work in steps.items()
        }

    PipelineDriver.__init__ = doomed  # type: ignore[method-assign]  # this is what the file is for
    return agent_process.main(DataFolder(Path(folder)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
