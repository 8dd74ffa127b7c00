"""A process that writes history as fast as it can, with tiny chunks, and says which rows are flushed; to be killed."""

import sys
from itertools import count
from pathlib import Path

from mlops_desk.kit.storage.history import compaction
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.telemetry.history import disk as module
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring

START = 1_794_999_600.0


def main() -> None:
    compaction.BLOCKS_A_CHUNK, compaction.BLOCKS_LEFT = 4, 1
    compaction.CHUNKS_A_ROLL, compaction.CHUNKS_LEFT = (3, 3), (1, 0)
    module._REST_SECONDS = 0.001
    ring = Ring()
    history = DiskHistory(Path(sys.argv[1]), ring, lambda notice: sys.exit(notice.text))
    for row in count(int(sys.argv[2])):
        names = {f"m{number:02d}": Reading(float(row % 4096), "1") for number in range(40)}
        ring.append(START + row, [("d", names)])
        if row % 10 == 9:
            history.flush()
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
            history.pack(0.02)


if __name__ == "__main__":
    main()
