"""The campaign: many tries to break what the program promises, with real processes, each bounded.

    python tests/campaign/run.py [TRIAL ...] [--tries N] [--share 0.1] [--seed 1] [--keep]

Each module beside this one is a trial: it says in its first line what it tries, how often at full scale (``TRIES``),
and has ``attempt(number, folder, rng)``, which does one try in an empty folder of its own and returns what broke as a
sentence, or None. ``prepare(folder)`` is called once before and ``finish()`` once after, where a trial has them.

Prints one line for each trial (tries, held, broken, seconds) and each thing that broke with the seed that shows it
again. Ends with 1 when anything broke. It is not part of CI: at full scale it takes hours.
"""

from __future__ import annotations

import argparse
import importlib
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))


def trials() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in {"run", "__init__"})


def once(trial: ModuleType, number: int, base: Path, seed: int) -> str | None:
    """One try. An error of the trial itself counts as broken, with its traceback."""
    folder = base / str(number)
    folder.mkdir(mode=0o700)
    try:
        broke: str | None = trial.attempt(number, folder, random.Random(f"{seed}/{number}"))
    except Exception:  # noqa: BLE001 - whatever it is, it is told and the next try goes on
        broke = traceback.format_exc()
    return broke


def run(name: str, tries: int | None, share: float, seed: int, *, keep: bool) -> bool:
    """All tries of one trial; whether every one held."""
    trial = importlib.import_module(f"tests.campaign.{name}")
    count = tries or max(1, round(trial.TRIES * share))
    base = Path(tempfile.mkdtemp(prefix=f"campaign-{name}-"))
    began = time.monotonic()
    broken: list[tuple[int, str]] = []
    if hasattr(trial, "prepare"):
        trial.prepare(base)
    try:
        for number in range(count):
            broke = once(trial, number, base, seed)
            if broke is not None:
                broken.append((number, broke))
            elif not keep:
                shutil.rmtree(base / str(number), ignore_errors=True)
    finally:
        if hasattr(trial, "finish"):
            trial.finish()
    print(f"| {name} | {count} | {count - len(broken)} | {len(broken)} | {time.monotonic() - began:.0f} |", flush=True)
    for number, broke in broken:
        print(f"  {name} --seed {seed}, try {number} (left in {base / str(number)}): {broke}", flush=True)
    if not broken and not keep:
        shutil.rmtree(base, ignore_errors=True)
    return not broken


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("trial", nargs="*", metavar="TRIAL", help=f"which: {', '.join(trials())} (all)")
    asked.add_argument("--tries", type=int, help="how often, instead of each trial's own count")
    asked.add_argument("--share", type=float, default=1.0, help="a part of each trial's own count (1.0)")
    asked.add_argument("--seed", type=int, default=1, help="what chance begins with (1)")
    asked.add_argument("--keep", action="store_true", help="leave the folders of tries that held as well")
    words = asked.parse_args()
    print("| trial | tries | held | broken | seconds |\n|---|---|---|---|---|", flush=True)
    chosen = words.trial or trials()
    held = [run(name, words.tries, words.share, words.seed, keep=words.keep) for name in chosen]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
