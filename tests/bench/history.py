"""What the history costs: bytes a sample and a day, time to pack, and time to answer, on the simulated workstation.

    python tests/bench/history.py [MINUTES]

MINUTES (default 15) of the shipped simulated workstation are computed second by second, once as they are and once
with the noise of real sensors on top. Three hours are written as the agent writes them, flush by flush with the
packing that is due: the same minutes again and again (each chunk of a quarter of an hour is packed by itself, so that
this makes no chunk smaller). What a day costs is eight times that. For the answers, the chunks are copied, moved in
time, to a day, which is rolled up; the day's chunks are copied to 30 days with their minutes, those are rolled up, and copied
to a year of quarters: all as large as real ones, but alike. Prints a table; asserts nothing.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zstandard
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.kit.storage.history.chunks import FRAMES_A_CHUNK, TIMES, get_times, put_times
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory, open_store
from mlops_desk.machine.telemetry.history.memory import Ring, parts_of
from mlops_desk.machine.telemetry.history.precision import scale_of
from mlops_desk.machine.telemetry.simulation.gpus import SimulatedGpus
from mlops_desk.machine.telemetry.simulation.host import SimulatedHost

DAY = 86_400
WRITTEN_SECONDS = 3 * 3600
A_DAY = DAY / WRITTEN_SECONDS
END = 1_794_960_000.0
SEED = 8
FLUSH_ROWS = 10


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    begun = time.perf_counter()
    rows = simulate(int(minutes * 60))
    print(f"{len(rows.keys)} series; {minutes:g} min computed in {time.perf_counter() - begun:.0f} s", flush=True)
    for name, block in (("simulated", rows), ("simulated, with sensor noise", noisy(rows))):
        with tempfile.TemporaryDirectory(prefix="mlops-desk-bench-") as folder:
            print(f"\n{name}")
            report(Path(folder), block, answers=block is rows)


def simulate(count: int) -> Block:
    """Return rows of the workstation, one a second, as the agent's ring has them."""
    clock = [END - DAY]
    gpus, host = SimulatedGpus(SEED, clock=lambda: clock[0]), SimulatedHost(SEED, clock=lambda: clock[0])
    ring, jitter = Ring(count), np.random.default_rng(SEED)
    began = clock[0]
    appending = 0.0
    for second in range(count):
        clock[0] = began + second + float(jitter.normal(0, 0.002))
        gpu, other = gpus.read(), host.read()
        sample = Sample(0, clock[0], gpu.gpus, other.host, other.disks, other.networks, filesystems=other.filesystems)
        at = time.perf_counter()
        ring.append_parts(clock[0], parts_of(sample))
        appending += time.perf_counter() - at
    print(f"a tick into the ring: {1e6 * appending / count:.0f} µs")
    return ring.since(0)[0]


def noisy(block: Block) -> Block:
    """Put noise of a few steps on every value that changes, and 2 % on rates: what real sensors have."""
    values, random = block.values.astype(np.float64), np.random.default_rng(SEED)
    with np.errstate(invalid="ignore"):
        moving = np.nanmax(values, axis=0, initial=-np.inf) > np.nanmin(values, axis=0, initial=np.inf)
    for column in np.flatnonzero(moving).tolist():
        scale = scale_of(block.keys[column])
        size = 0.02 * np.abs(values[:, column]) if scale.growing else 2 * scale.step
        values[:, column] += random.normal(0, 1, len(values)) * size
    return Block(block.keys, block.times, np.maximum(values, 0).astype(np.float32), block.states)


def flushes(block: Block) -> Iterator[Block]:
    """Yield the blocks of the last hours before END as the agent flushes them."""
    span = len(block.times)
    for first in range(0, WRITTEN_SECONDS, FLUSH_ROWS):
        places = np.arange(first, first + FLUSH_ROWS) % span
        times = block.times[places] - block.times[0] + END - WRITTEN_SECONDS + (first // span) * span
        yield Block(block.keys, times, block.values[places], block.states[places])


def report(folder: Path, block: Block, *, answers: bool) -> None:
    store = open_store(folder / "telemetry.db")
    before, cpu, steps = written(), time.process_time(), []
    for number, part in enumerate(flushes(block)):
        store.append(part)
        if number % 30 == 0:
            steps += pack(store)
    cpu = time.process_time() - cpu
    size = frame_bytes(store, "tier = 0")
    sealed = int(scalar(store, "SELECT sum(rows) FROM chunks WHERE tier = 0 AND state = 1")) * len(block.keys)
    store.close()  # the log reaches the file
    size_day = A_DAY * (written() - before) / 1e9
    row("full rate", f"{size / sealed:.3f} bytes a sample", floor(block))
    row("written to disk in a day", f"{size_day:.3f} GB", f"raw float32: {4 * DAY * len(block.keys) / 1e9:.2f} GB")
    row("processor for flushes and packing", f"{100 * cpu / WRITTEN_SECONDS:.3f} % of a core", "")
    row("steps of the packing, p50 / p99 / longest", " / ".join(f"{1e3 * item:.0f} ms" for item in spread(steps)), "")
    if answers:
        store = open_store(folder / "telemetry.db")
        show_answers(store, block)
        store.close()


def pack(store: TelemetryStore) -> list[float]:
    steps = []
    at = time.perf_counter()
    for _ in compaction.work(store):
        steps.append(time.perf_counter() - at)
        at = time.perf_counter()
    return steps


def spread(values: list[float]) -> tuple[float, float, float]:
    return float(np.median(values)), float(np.percentile(values, 99)), max(values)


def floor(block: Block) -> str:
    """Compress the same rows as float32, column by column, a quarter of an hour at a time."""
    columns = np.ascontiguousarray(block.values[:900].T)
    packer = zstandard.ZstdCompressor(level=9)
    size = sum(len(packer.compress(column.tobytes())) for column in columns)
    return f"float32 + zstd 9 of the same: {size / columns.size:.2f}"


def written() -> int:
    """Return the bytes this process made dirty, as the kernel counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def scalar(store: TelemetryStore, query: str) -> float:
    with store.database.transaction() as connection:
        return connection.execute(text(query)).scalar() or 0


def frame_bytes(store: TelemetryStore, where: str) -> float:
    join = f"JOIN chunks ON chunks.id = frames.id / {FRAMES_A_CHUNK} WHERE chunks.state = 1 AND {where}"
    return scalar(store, f"SELECT sum(length(frames.data)) FROM frames {join}")


def show_answers(store: TelemetryStore, block: Block) -> None:
    """Fill a day, 30 days and a year with copies, and time what a page asks."""
    begun = time.perf_counter()
    written_chunks = chunks(store, 0)
    span = 900 * len(written_chunks)
    for number in range(1, DAY // span):
        copy(store, written_chunks, number * span, rolled=False)
    roll(store, 0)
    day, minutes = chunks(store, 0), chunks(store, 1)
    for number in range(1, 30):
        copy(store, day, number * DAY, rolled=True)
        copy(store, minutes, number * DAY, rolled=False)
    ask(store, block, (("30 days, before its minutes are rolled up", 30 * DAY),))
    roll(store, 1)
    quarters = chunks(store, 2)
    for number in range(1, 12):
        copy(store, quarters, number * 30 * DAY, rolled=False)
    row("copies: 30 days at full rate, minutes, a year of quarters", f"{time.perf_counter() - begun:.0f} s", "")
    row("database with 30 days and a year", f"{store.database.path.stat().st_size / 1e9:.2f} GB", "")
    ask(store, block, (("hour", 3600), ("day", DAY), ("30 days", 30 * DAY), ("year", 365 * DAY)))


def ask(store: TelemetryStore, block: Block, spans: tuple[tuple[str, int], ...]) -> None:
    """Time what pages ask, all from the disk: the ring is empty."""
    history = DiskHistory(store.database.path, Ring(), lambda _: None, lambda _: store)
    history.flush()
    reader = CurveReader(Ring(), history)
    gpu = next(device for device, metric, _ in block.keys if metric == "hw.power")
    one = [(gpu, "hw.power")]
    page = [(device, metric) for device, metric, _ in block.keys if device == gpu][:24]
    wide = [(device, metric) for device, metric, _ in block.keys if metric in {"hw.power", "hw.gpu.utilization"}]
    for name, span in spans:
        figures = [
            timed(lambda names=names, span=span: reader.curves(names, END - span, END, 600))
            for names in (one, page, wide)
        ]
        row(f"answer, {name}: 1 curve / {len(page)} of a GPU / {len(wide)} of all", " / ".join(figures), "")


def timed(work: Callable[[], object]) -> str:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return f"{1e3 * float(np.median(took)):.0f} ms"


def roll(store: TelemetryStore, tier: int) -> None:
    """Roll all chunks of a tier up now, not when more of them are there."""
    before = compaction.CHUNKS_A_ROLL, compaction.CHUNKS_LEFT
    count = len(chunks(store, tier))
    compaction.CHUNKS_A_ROLL, compaction.CHUNKS_LEFT = (count, 10**6) if tier == 0 else (10**6, count), (0, 0)
    begun = time.process_time()
    store.settled = False  # the chunks were put in behind its back
    steps = pack(store)
    compaction.CHUNKS_A_ROLL, compaction.CHUNKS_LEFT = before
    what, size = ("day", "minutes") if tier == 0 else ("month", "quarters"), frame_bytes(store, f"tier = {tier + 1}")
    row(f"processor to roll a {what[0]} up into {what[1]}", f"{time.process_time() - begun:.1f} s", "")
    row("its steps, p50 / p99 / longest", " / ".join(f"{1e3 * item:.0f} ms" for item in spread(steps)), "")
    row(f"a {what[0]} of {what[1]}", f"{size / 1e6:.2f} MB", "")


def chunks(store: TelemetryStore, tier: int) -> list[int]:
    with store.database.transaction() as connection:
        found = connection.execute(text(f"SELECT id FROM chunks WHERE tier = {tier} AND state = 1 ORDER BY id"))
        return list(found.scalars())


def copy(store: TelemetryStore, numbers: list[int], seconds: int, *, rolled: bool) -> None:
    """Copy chunks, moved back in time."""
    with store.database.transaction() as connection:
        for number in numbers:
            new = connection.execute(
                text(
                    "INSERT INTO chunks (tier, layout, started_at, ended_at, rows, state, rolled, alone, first_source, "
                    f"last_source) SELECT tier, layout, started_at - {seconds}, ended_at - {seconds}, rows, 1, "
                    f"{int(rolled)}, {int(seconds >= 30 * DAY)}, first_source, last_source FROM chunks "
                    f"WHERE id = {number} RETURNING id"
                )
            ).scalar_one()
            base, target = number * FRAMES_A_CHUNK, new * FRAMES_A_CHUNK
            data = connection.execute(text(f"SELECT data FROM frames WHERE id = {base + TIMES}")).scalar_one()
            times, counts = get_times(data)
            moved = put_times(np.rint((times - seconds) * 1000).astype(np.int64), counts)
            connection.execute(text("INSERT INTO frames VALUES (:id, :data)"), {"id": target + TIMES, "data": moved})
            connection.execute(
                text(
                    f"INSERT INTO frames SELECT id - {base} + {target}, data FROM frames "
                    f"WHERE id > {base + TIMES} AND id < {base + FRAMES_A_CHUNK}"
                )
            )


def row(what: str, figure: str, beside: str) -> None:
    print(f"  {what.ljust(62)}  {figure.ljust(34)}  {beside}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
