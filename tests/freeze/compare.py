"""Compare two snapshots: ``python tests/freeze/compare.py BEFORE AFTER`` prints what differs, section by section.

It ends with 1 where something differs. Pictures are not compared.
"""

import difflib
import sys
from collections import defaultdict
from pathlib import Path

PICTURES = "pictures"
MOST_LINES = 40
"""Of one file; the files themselves have the rest."""


def read(folder: Path) -> dict[str, list[str]]:
    """Return the lines of each file of a snapshot."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = ((path.relative_to(folder), path) for path in files)
    return {str(name): path.read_text("utf-8").splitlines() for name, path in named if name.parts[0] != PICTURES}


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what differs, by section: the snapshot's folder, or the file that stands alone."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted({*before, *after}):
        section = name.partition("/")[0]
        if name not in after:
            found[section].append(f"- {name} is gone")
        elif name not in before:
            found[section].append(f"+ {name} is new")
        elif before[name] != after[name]:
            changed = [*difflib.unified_diff(before[name], after[name], name, name, lineterm="", n=1)]
            found[section] += changed[:MOST_LINES]
            found[section] += [f"… {len(changed) - MOST_LINES} lines more"] * (len(changed) > MOST_LINES)
    return dict(found)


def main(before: Path, after: Path) -> int:
    """Print what differs; return the exit code."""
    earlier, later = read(before), read(after)
    if not earlier or not later:
        print(f"There is no snapshot in {after if earlier else before}.", file=sys.stderr)
        return 2
    found = differences(earlier, later)
    for section, told in found.items():
        print(f"== {section}", *told, sep="\n")
    print(f"{len(earlier)} files before, {len(later)} after; sections that differ: {', '.join(found) or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
