"""What reading a job's progress costs: MB a second of a log through the listener alone, and with the reader's look beside.

    python tests/bench/progress.py

The listener is the program's own, fed from memory, and keeps its log in a temporary folder. The reader looks ten times as
often as it does in the agent (once a second), for a log that comes this fast is over soon.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

from mlops_desk.engines.engine import LogPiece
from mlops_desk.jobs.progress.reader import ProgressReader
from mlops_desk.jobs.run.progress import Followed
from mlops_desk.jobs.runtimes.local.log_capture.tees import Tee

LOGS = Path(__file__).parents[1] / "unit/jobs/progress/logs"
MEGABYTES = 20
PIECE_BYTES = 4096
LOOK_SECONDS = 0.1
BEGUN = 1_700_000_000.0


class Memory:
    """An engine whose container writes the same again and again, as fast as it is read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def log_pieces(self, _name, *, since=0.0, follow=False, hand=None):
        for number in range(MEGABYTES * 1_000_000 // len(self._data)):
            at = BEGUN + number / 10
            yield LogPiece(at, f"2023-11-14T22:13:20.{number:09d}Z", self._data)


def heard(data: bytes, *, looks: bool) -> tuple[float, float]:
    """Return MB/s of processor time for the whole, and how many milliseconds a look took."""
    with tempfile.TemporaryDirectory() as folder:
        tee = Tee(Memory(data), "c", Path(folder), 1 << 30)
        thread = threading.Thread(target=tee.run)
        followed, looking, count = Followed(ProgressReader()), 0.0, 0
        begun = time.process_time()
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
            if looks:
                before = time.thread_time()
                if followed.hear(tee.glance()):
                    followed.reader.progress()
                looking, count = looking + time.thread_time() - before, count + 1
        spent = time.process_time() - begun
    return MEGABYTES / spent, 1000 * looking / max(1, count)


def main() -> int:
    print("| log | listener alone, MB/s | with the reader, MB/s | a look at a flood, ms |\n|---|---|---|---|")
    for name in ("tqdm_plain", "tqdm_nested", "transformers", "keras_1", "lightning_rich"):
        data = (LOGS / f"{name}.log").read_bytes()
        data = (data * (PIECE_BYTES // len(data) + 1))[:PIECE_BYTES] + b"\n"
        alone, (both, look) = heard(data, looks=False)[0], heard(data, looks=True)
        print(f"| {name} | {alone:.0f} | {both:.0f} | {look:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
