"""The structure in numbers: ``python tests/shape/structure.py [CHECKOUT]`` prints it, of another checkout as well.

First what a newcomer trips over (``measured``; test_structure.py holds those numbers): size, names, modules that only one
other needs, big classes, bundles of callables, text made of records, tests that know private members. Then the biggest
folders, contracts, each feature's size, and numbers that decide something without saying why.
"""

import ast
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
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


NOUNS = frozenset(
    [
        "serving", "logging", "string", "setting", "training", "retraining", "sharing", "scaling", "embedding",
        "staging", "sampling", "throttling", "smoothing", "hashing", "accounting", "recording", "need", "feed",
        "seed", "speed",
    ]
)  # fmt: skip
"""Words of the field that end as participles do."""
REFUSED = frozenset(
    [
        "house", "shelf", "room", "board", "standing", "letters", "papers", "ways", "sights", "leading", "courses",
        "life", "hearing", "doing", "telling", "beside", "aside", "keeping", "moving", "laying", "cutting", "pieces",
        "heads", "haste", "hands", "makings", "strays", "remains", "grounds", "deed", "doorbell", "warden", "truce",
        "trail", "capsule", "commission", "reckoned", "descent", "upkeep", "away", "presence", "asked", "lately",
        "happened",
    ]
)  # fmt: skip
"""Names of modules and folders that say nothing of what is inside, or say it of several things."""
RENAMED = tuple(
    f"/{place}/"
    for place in [
        "jobs/run/serving", "jobs/run/line", "queue/waiters", "jobs/intake", "book", "jobs/stuck", "jobs/causes",
        "runtimes/local/obstructions", "leases/kept", "desk/rules/reach", "cli/meanwhile", "cli/afterword",
        "cli/ahead", "undertaking", "serving/switchboard", "rollout/ladder", "rollout/pilot", "scaling/claiming",
        "gateway/lane", "gateway/inquiries", "network/entrance", "drift/contest", "drift/pinning", "monitors/turning",
        "rules/curves", "registry/visiting", "mirror/spots", "server/logged",
    ]
)  # fmt: skip
"""Further modules and folders that are to have a name of the field, where their present one says too little."""
MOST_METHODS, MANY_PARAMETERS = 30, 7
_PRIVATE = re.compile(r"(?:^|\.)_[a-z]")
_WORD = re.compile(r"\w+")
_TEXT = re.compile(r"\bstr\b|Cell|Row|Facts?\b|Line")


class Counts(NamedTuple):
    """What is counted in one module of the program."""

    name: str
    lines: int
    imports: frozenset[str]
    big_classes: int
    constructors: int
    records: int
    callables: tuple[tuple[int, int], ...]
    text_lines: int


def measured(root: Path) -> dict[str, int]:
    """Return the numbers of a checkout that may only fall."""
    package, tests = root / "mlops_desk", root / "tests"
    paths = sorted(package.rglob("*.py"))
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        known = pool.map(_counts, paths, [root] * len(paths), chunksize=64)
        private = pool.map(private_reaches, sorted(tests.rglob("*.py")), chunksize=64)
        counts, reaches = [*known], [*private]
    own = [one for one, path in zip(counts, paths, strict=True) if path.name != "__init__.py"]
    bundles = [had for one in counts for had, fields in one.callables if had > 1 and 2 * had >= fields]
    words = [one.lines for one in counts if 4 * one.text_lines >= one.lines > 0]
    return {
        "lines": sum(one.lines for one in counts),
        "files": len(paths),
        "modules with one importer": importers(counts, own).count(1),
        "modules of a refused name": sum(is_refused(one.name) for one in own),
        "modules named by a participle": sum(is_participle(one.name) for one in own),
        "classes over 30 methods": sum(one.big_classes for one in counts),
        "constructors with 8 parameters": sum(one.constructors for one in counts),
        "dataclasses with 8 fields": sum(one.records for one in counts),
        "bundles of callables": len(bundles),
        "callables in bundles": sum(bundles),
        "dataclasses with a callable": sum(len(one.callables) for one in counts),
        "callables in dataclasses": sum(had for one in counts for had, _ in one.callables),
        "modules that make text of records": len(words),
        "lines that make text of records": sum(words),
        "private members that tests reach": sum(reaches),
        "test files that reach private members": sum(map(bool, reaches)),
        "lines of mutations": sum(map(_length, (tests / "mutations").rglob("*.toml"))),
        **{f"lines of {name}": _length(root / f"{name}.md") for name in ("README", "CONTRIBUTING", "CHANGELOG")},
    }


def _length(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def is_refused(name: str) -> bool:
    """Return whether a module, or a folder that it lies in, has a name that says nothing of what is inside."""
    parts = name.split(".")[1:]
    return not REFUSED.isdisjoint(parts) or any(place in f"/{'/'.join(parts)}/" for place in RENAMED)


def is_participle(name: str) -> bool:
    """Return whether the last word of a module's name ends as a participle, and is no noun of the field."""
    word = name.rpartition(".")[2].rpartition("_")[2]
    return word.endswith(("ing", "ed")) and word not in NOUNS


def importers(counts: list[Counts], own: list[Counts]) -> list[int]:
    """Return for each module how many others import it."""
    found = Counter(imported for one in counts for imported in one.imports - {one.name})
    return [found[one.name] for one in own]


def private_reaches(path: Path) -> int:
    """Return how often a test names a private member of something else than itself, by a dot or in setattr."""
    text = path.read_text(encoding="utf-8")
    if "._" not in text and '"_' not in text:
        return 0
    return sum(map(_is_private_reach, ast.walk(ast.parse(text))))


def _is_private_reach(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        return node.attr.startswith("_") and not node.attr.startswith("__") and not is_own
    if not isinstance(node, ast.Call) or getattr(node.func, "attr", None) != "setattr":
        return False
    return any(isinstance(word, ast.Constant) and _PRIVATE.search(str(word.value)) for word in node.args[:2])


def _counts(path: Path, root: Path) -> Counts:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    nodes = [*ast.walk(ast.parse(text))]
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    imports = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in found:
        for alias in node.names:
            inner = root.joinpath(*str(node.module).split("."), alias.name)
            is_module = inner.with_suffix(".py").exists() or inner.is_dir()
            imports.add(f"{node.module}.{alias.name}" if is_module else str(node.module))
    records = {
        alias.asname or alias.name for node in found if "records" in str(node.module).split(".") for alias in node.names
    }
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    methods = [
        [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)] for node in classes
    ]
    makers = [inner for body in methods for inner in body if inner.name == "__init__"]
    fields = [[ast.unparse(inner.annotation) for inner in node.body if isinstance(inner, ast.AnnAssign)]
              for node in classes if _is_record(node)]  # fmt: skip
    callables = [(sum("Callable" in field for field in record), len(record)) for record in fields]
    return Counts(
        name,
        text.count("\n"),
        frozenset(imports),
        sum(len(body) > MOST_METHODS for body in methods),
        sum(len(_parameters(maker)) - 1 > MANY_PARAMETERS for maker in makers),
        sum(len(record) > MANY_PARAMETERS for record in fields),
        tuple(had for had in callables if had[0]),
        sum(_text_lines(node, records) for node in nodes if isinstance(node, ast.FunctionDef)),
    )


def _is_record(node: ast.ClassDef) -> bool:
    made = [ast.unparse(one) for one in (*node.decorator_list, *node.bases)]
    return any("dataclass" in one or "NamedTuple" in one for one in made)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _text_lines(node: ast.FunctionDef, records: set[str]) -> int:
    """Return how long a function is that takes a record (a class of a module of records) and returns words or cells."""
    if node.returns is None or not records or not _TEXT.search(ast.unparse(node.returns)):
        return 0
    taken = {word for one in _parameters(node) if one.annotation for word in _WORD.findall(ast.unparse(one.annotation))}
    return (node.end_lineno or node.lineno) - node.lineno + 1 if taken & records else 0


def table(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the measured rows as they are printed."""
    now = measured(root)
    own = len(files(root / "mlops_desk"))
    share = f"{now['modules with one importer']} of {own} ({now['modules with one importer'] / own:.1%})"
    yield (
        "production lines / files (every .py under mlops_desk, with __init__, newlines)",
        f"{now['lines']:,} / {now['files']:,}",
    )
    yield "mean lines a file", f"{now['lines'] / now['files']:.1f}"
    yield "modules with one importer (__init__ not counted as a module, late imports are)", share
    yield (
        "modules of a refused name (their own or their folder's); named by a participle",
        _pair(now, "modules of a refused name", "modules named by a participle"),
    )
    yield (
        "classes over 30 methods; __init__ with 8 parameters or more; dataclasses and tuples with 8 fields",
        "; ".join(
            str(now[name])
            for name in ("classes over 30 methods", "constructors with 8 parameters", "dataclasses with 8 fields")
        ),
    )
    yield (
        "bundles (records of which half and at least two fields are callables); callables in them",
        _pair(now, "bundles of callables", "callables in bundles"),
    )
    yield (
        "records with any callable; callables in them",
        _pair(now, "dataclasses with a callable", "callables in dataclasses"),
    )
    yield (
        "lines of modules a quarter of which makes text of records; modules",
        _pair(now, "lines that make text of records", "modules that make text of records"),
    )
    yield (
        "private members that tests reach; in so many files",
        _pair(now, "private members that tests reach", "test files that reach private members"),
    )
    yield "lines of mutations", f"{now['lines of mutations']:,}"
    yield (
        "README / CONTRIBUTING / CHANGELOG",
        " / ".join(f"{now[f'lines of {name}']:,}" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    )


def _pair(now: dict[str, int], first: str, second: str) -> str:
    return f"{now[first]:,}; {now[second]:,}"


def files(package: Path) -> list[Path]:
    """Return every module that is more than the name of its folder."""
    return sorted(path for path in package.rglob("*.py") if path.name != "__init__.py")


def folder_sizes(package: Path) -> Counter[str]:
    """Return how many modules lie in each folder itself."""
    return Counter(path.parent.relative_to(package.parent).as_posix() for path in files(package))


class Module(NamedTuple):
    """What a module has at its top: its numbers, each with whether its reason is beside it."""

    path: Path
    numbers: tuple[tuple[str, bool], ...]


@cache
def modules(package: Path) -> tuple[Module, ...]:
    """Return every module, read once for whoever asks: to parse them all takes seconds."""
    return tuple(map(_module, files(package)))


def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    return Module(path, tuple(_numbers(body, text.split("\n"))))


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


def main(root: Path) -> None:
    """Print the table."""
    package = root / "mlops_desk"
    sizes, named = folder_sizes(package), list(numbers(package))
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = [
        *table(root),
        ("folders", str(len(sizes))),
        ("biggest folders", ", ".join(f"{folder} {count}" for folder, count in sizes.most_common(4))),
        ("contracts", f"{len(contracts)}: {', '.join(contract['id'] for contract in contracts)}"),
        ("numbers without a reason", f"{sum(not told for *_, told in named)} of {len(named)}"),
        ("features", ", ".join(_features(package))),
    ]
    for name, value in rows:
        print(f"| {name} | {value} |")


def _features(package: Path) -> list[str]:
    """Return each feature with its modules and lines."""
    return [
        f"{folder.name} {len(files(folder))} / {sum(map(_length, folder.rglob('*.py'))):,}"
        for folder in sorted(package.iterdir())
        if (folder / "__init__.py").exists()
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
