"""How fast staged data are copied, beside ``cp -a``, with and without hashing what it wrote, and rsync where it is.

    python tests/bench/staging.py [--folder FOLDER] [--large 4] [--small 20000]

A copy of the desk is listed, read, hashed, written, read again where it lies, compared, and listed once more. ``cp -a``
alone promises none of that; what does is ``cp -a`` and then ``b2sum`` over both. Two trees: a few large files (512 MiB
each), and many small ones (8 KiB). Each is copied in turns; the source lies in the page cache for all of them, so that
what is measured is the copying and not the disk that it comes from. Prints medians.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from mlops_desk.jobs.staging.copies import Copies
from mlops_desk.jobs.staging.copy_task import Asked, Making

LARGE_BYTES = 512 << 20
SMALL_BYTES = 8 << 10
IN_A_FOLDER = 1000


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="desk-bench-", dir=options.folder) as made:
        root = Path(made)
        print("| tree | how | seconds, median of turns | MiB/s | files/s |\n|---|---|---|---|---|")
        for name, tree in (("few large", _large(root, options.large)), ("many small", _small(root, options.small))):
            _compare(name, tree, root, options.turns)
            shutil.rmtree(tree)


def _compare(name: str, tree: Path, root: Path, turns: int) -> None:
    files = [path for path in tree.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    _warm(files)
    ways = {"staged (verified)": _staged, "cp -a": _cp, "cp -a, b2sum of both": _cp_hashed}
    if shutil.which("rsync"):
        ways["rsync -a"] = _rsync
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(turns):
        for way, work in ways.items():
            target = Path(tempfile.mkdtemp(dir=root))
            os.sync()
            begun = time.monotonic()
            work(tree, target)
            spent[way].append(time.monotonic() - begun)
            shutil.rmtree(target)
    for way, seconds in spent.items():
        middle = statistics.median(seconds)
        told = ", ".join(f"{one:.2f}" for one in seconds)
        print(
            f"| {name} | {way} | {middle:.2f} ({told}) | {size / middle / (1 << 20):.0f} | {len(files) / middle:.0f} |"
        )


def _staged(tree: Path, target: Path) -> None:
    cache = target / "cache"
    making = Making(Copies(cache), threading.RLock, lambda *_: None)
    making.make(Asked(os.getuid(), str(tree), "/data", lambda: False, lambda _: None))


def _cp(tree: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(tree), str(target / "copy")], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)


def _cp_hashed(tree: Path, target: Path) -> None:
    _cp(tree, target)
    for place in (tree, target / "copy"):
        hashed = f"find {place} -type f -print0 | sort -z | xargs -0 -P {os.cpu_count()} -n 200 b2sum > {target}/sums"
        subprocess.run(["sh", "-c", hashed], check=True)


def _rsync(tree: Path, target: Path) -> None:
    subprocess.run(["rsync", "-a", f"{tree}/", str(target / "copy")], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)


def _large(root: Path, count: int) -> Path:
    tree = root / "large"
    tree.mkdir()
    block = os.urandom(8 << 20)
    for number in range(count):
        with (tree / f"part-{number:03}").open("wb") as file:
            for _ in range(LARGE_BYTES // len(block)):
                file.write(block)
    return tree


def _small(root: Path, count: int) -> Path:
    tree = root / "small"
    for number in range(count):
        folder = tree / f"{number // IN_A_FOLDER:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.jpg").write_bytes(os.urandom(SMALL_BYTES))
    return tree


def _warm(files: list[Path]) -> None:
    for path in files:
        path.read_bytes()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=None, help="where trees and copies are made")
    parser.add_argument("--large", type=int, default=4)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
