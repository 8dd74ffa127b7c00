"""The structure in numbers: ``python tests/shape/structure.py [CHECKOUT]`` prints it, of another checkout as well.

Files, the biggest folders, circles between the folders and files of each folder, contracts, classes that share a
name with one of another feature, and numbers that decide something without saying why.
"""

import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import grimp

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"base", "records", "verbs"}
"""Folders that belong to no feature: what they name, everybody names so."""
UNITS = frozenset(
    [
        "GIB",
        "MIB",
        "KIB",
        "MEGABYTE",
        "GIGABYTE",
        "GIGABIT_BYTES",
        "MEGABIT_BYTES",
        "KILO",
        "KHZ",
        "MILLI",
        "PERCENT",
        "HUNDRED",
        "NANOSECONDS",
        "MICROSECONDS",
        "MILLISECONDS",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "DAY_SECONDS",
        "FIVE_MINUTES",
    ]
)
"""Names that say all there is to say of their number."""
_COMMENT = re.compile(r"  # (?!noqa|type:|fmt:)")


def files(package: Path) -> list[Path]:
    """Return every module that is more than the name of its folder."""
    return sorted(path for path in package.rglob("*.py") if path.name != "__init__.py")


def folder_sizes(package: Path) -> Counter[str]:
    """Return how many modules lie in each folder itself."""
    return Counter(path.parent.relative_to(package.parent).as_posix() for path in files(package))


def feature_of(path: Path, package: Path) -> str:
    """Return the feature that a module belongs to: its top folder, and in the window the one below."""
    parts = path.relative_to(package).parts
    return "/".join(parts[:2]) if parts[0] == "ui" and len(parts) > 2 else parts[0]


class Module(NamedTuple):
    """What a module has at its top: its public classes, and its numbers, each with whether its reason is beside it."""

    path: Path
    classes: tuple[str, ...]
    numbers: tuple[tuple[str, bool], ...]


@cache
def modules(package: Path) -> tuple[Module, ...]:
    """Return every module, read once for whoever asks: to parse them all takes seconds."""
    return tuple(map(_module, files(package)))


def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    classes = (node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    return Module(path, tuple(classes), tuple(_numbers(body, text.split("\n"))))


def doubled_classes(package: Path) -> dict[str, set[str]]:
    """Return the public classes whose name stands in more than one feature, with the features."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules(package):
        for name in module.classes:
            found[name].add(feature_of(module.path, package))
    return {name: features for name, features in sorted(found.items()) if len(features) > 1}


def numbers(package: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield each number that stands under a name in a module: file, name, and whether its reason stands beside it."""
    for module in modules(package):
        for name, told in module.numbers:
            yield module.path.relative_to(package).as_posix(), name, told


def _numbers(body: list[ast.stmt], lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield the numbers of a module. A reason is a comment in their lines or above, or a text below; a unit needs none."""
    for node, after in zip(body, [*body[1:], None], strict=True):
        names = _names_of(node)
        if names and not UNITS.issuperset(name.lstrip("_") for name in names):
            beside = any(_COMMENT.search(line) for line in lines[node.lineno - 1 : node.end_lineno])
            above = node.lineno > 1 and lines[node.lineno - 2].startswith("# ")
            below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            yield names[0], beside or above or below


def _names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement gives to numbers alone."""
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return []
    if not _is_number(value):
        return []
    return [found.id for target in targets for found in ast.walk(target) if isinstance(found, ast.Name)]


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in {int, float}
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(map(_is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) and _is_number(node.right)
    return isinstance(node, ast.UnaryOp) and _is_number(node.operand)


def circles(package: Path) -> list[str]:
    """Return the folders among whose modules and folders imports run in a circle."""
    sys.path.insert(0, str(package.parent))
    graph = grimp.build_graph(package.name, cache_dir=None)
    found = []
    for parent in sorted({module.rpartition(".")[0] for module in graph.modules} - {""}):
        children = sorted(graph.find_children(parent))
        squashed = {child: _reached(graph, child, children) for child in children}
        if any(child in _closure(squashed, child) for child in children):
            found.append(parent)
    return found


def _reached(graph: grimp.ImportGraph, child: str, children: list[str]) -> set[str]:
    inside = {child, *graph.find_descendants(child)}
    imported = {found for module in inside for found in graph.find_modules_directly_imported_by(module)}
    return {other for other in children if other != child and imported & {other, *graph.find_descendants(other)}}


def _closure(steps: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    rest = list(steps[start])
    while rest:
        here = rest.pop()
        if here not in seen:
            seen.add(here)
            rest.extend(steps[here])
    return seen


def main(root: Path) -> None:
    """Print the table."""
    package = root / "mlops_desk"
    sizes, named = folder_sizes(package), list(numbers(package))
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = [
        ("files", str(len(files(package)))),
        ("lines", f"{sum(path.read_text(encoding='utf-8').count(chr(10)) for path in files(package)):,}"),
        ("folders", str(len(sizes))),
        ("biggest folders", ", ".join(f"{folder} {count}" for folder, count in sizes.most_common(4))),
        ("circles in", ", ".join(circles(package)) or "none"),
        ("contracts", f"{len(contracts)}: {', '.join(contract['id'] for contract in contracts)}"),
        ("classes of one name", str(len(doubled_classes(package)))),
        ("numbers without a reason", f"{sum(not told for *_, told in named)} of {len(named)}"),
        ("window", ", ".join(_window(package))),
    ]
    for name, value in rows:
        print(f"| {name} | {value} |")


def _window(package: Path) -> list[str]:
    sizes = folder_sizes(package / "ui")
    return [f"{folder.removeprefix('ui').lstrip('/') or 'itself'} {count}" for folder, count in sorted(sizes.items())]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
