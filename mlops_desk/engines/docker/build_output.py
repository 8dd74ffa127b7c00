"""What a build writes: its lines, made plain and kept up to a size, and the step that it is at."""

import re
from typing import TextIO

from mlops_desk.engines.image_store import BuildNews, HearBuild
from mlops_desk.engines.log_lines import shown
from mlops_desk.engines.records.task import BuilderName, BuildStep
from mlops_desk.kit.base.text import plain

KEPT_CHARACTERS = 8 << 20  # chosen: the output of a long pip install is a tenth of it
_STEP = re.compile(r"step (\d{1,4})/(\d{1,4}) ?: ?(.*)", re.IGNORECASE)


class BuildOutput:
    """Takes in what a build writes, piece by piece: whole lines go into ``file`` and to ``heard``."""

    def __init__(self, file: TextIO, heard: HearBuild) -> None:
        self._file = file
        self._heard = heard
        self._step: BuildStep | None = None
        self._written = 0

    def write(self, text: str) -> None:
        """Take in a piece of the classic builder's, of one line or many."""
        for raw in text.splitlines():
            line = shown(raw.encode("utf-8", "replace"))
            self._keep(line)
            self._step = step_of(line) or self._step
            self._heard(BuildNews(line, self._step))
        self._file.flush()

    def tell(self, builder: BuilderName, line: str) -> None:
        """Tell who builds, and why, if that is worth a line."""
        self.hear(BuildNews(line, builder=builder))

    def hear(self, news: BuildNews) -> None:
        """Take in news that are made already."""
        if news.text:
            self._keep(news.text)
            self._file.flush()
        self._heard(news)

    def _keep(self, line: str) -> None:
        if self._written > KEPT_CHARACTERS:
            return
        self._written += len(line) + 1
        cut = self._written > KEPT_CHARACTERS
        self._file.write("… the rest of the output was not kept: there was too much of it\n" if cut else f"{line}\n")


def step_of(line: str) -> BuildStep | None:
    """Return the step that a line begins; None for any other line."""
    found = _STEP.match(line)
    return None if found is None else BuildStep(int(found[1]), int(found[2]), plain(found[3]))
