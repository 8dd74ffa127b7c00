"""What a test of the gate may not do: wait for a while and hope."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
LONGEST_SECONDS = 0.05
NOT_IN_THE_TESTS_WAY = {
    "unit/registry/server/test_keeper.py": "a forked server that is silent for a while is what its slow tests are about",
    "unit/registry/server/test_connection.py": "the slow answer of a server, asked for by slow tests alone",
}


def long_waits(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each wait for a fixed time of over 50 ms, but for those in tests that are marked slow."""
    tree = ast.parse(source)
    slow = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and any("mark.slow" in ast.unparse(mark) for mark in node.decorator_list)
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(node.lineno in lines for lines in slow):
            continue
        if _seconds(node) > LONGEST_SECONDS:
            yield node.lineno, ast.unparse(node)


def _seconds(call: ast.Call) -> float:
    """How long a call waits for nothing else than time; 0 where that is not what it does, or not known."""
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Constant):
        return 0.0
    told = call.args[0].value
    if not isinstance(told, (int, float)):
        return 0.0
    name = ast.unparse(call.func)
    if name in {"sleep", "time.sleep", "asyncio.sleep"}:
        return float(told)
    return told / 1000 if name in {"qtbot.wait", "QTest.qWait"} else 0.0


@pytest.mark.parametrize("folder", ["unit", "ui", "packaging"])
def test_no_test_of_the_gate_waits_for_a_fixed_time(folder: str) -> None:
    waits = [
        f"{path}:{line} {text}"
        for path in sorted((TESTS / folder).rglob("*.py"))
        if path.relative_to(TESTS).as_posix() not in NOT_IN_THE_TESTS_WAY
        for line, text in long_waits(path.read_text(encoding="utf-8"))
    ]
    assert waits == [], "wait for what has to come, make the clock one of the test's own, or mark the test slow"


@pytest.mark.parametrize(
    ("line", "n_found"),
    [
        ("time.sleep(0.05)", 0),
        ("time.sleep(0.051)", 1),
        ("await asyncio.sleep(1)", 1),
        ("qtbot.wait(50)", 0),
        ("qtbot.wait(51)", 1),
        ("process.wait(10)", 0),
        ("time.sleep(pause)", 0),
    ],
)
def test_a_wait_of_over_fifty_milliseconds_is_seen_but_in_a_slow_test(line: str, n_found: int) -> None:
    function = f"async def test_it():\n    {line}\n"
    assert len([*long_waits(function)]) == n_found
    assert not [*long_waits(f"@pytest.mark.slow\n{function}")]
