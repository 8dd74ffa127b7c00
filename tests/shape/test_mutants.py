"""What is drawn to break the program: each a change of one place that parses, the same for one seed, tried and undone."""

import ast
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.mutants import KILLED, LIVED, NOT_COVERED, Judge, Program, room_of, table
from tests.mutations.mutants import KINDS, mutants_of
from tests.mutations.run import Bench

ROOT = Path(__file__).resolve().parents[2]


@cache
def program() -> Program:
    return Program(ROOT)


@pytest.mark.parametrize("kind", KINDS)
def test_each_mutant_parses_and_differs_in_one_place(kind: str) -> None:
    chance = random.Random(3)
    drawn = [chance.choice(program().pools[kind]) for _ in range(15)]
    sound = [one for one in drawn if one.changes(program().source(one.file))]
    assert len(sound) > 11, [one for one in drawn if one not in sound]
    for mutant in sound:
        before = program().source(mutant.file).encode()
        after = mutant.applied(before.decode()).encode()
        ast.parse(after)
        assert before[mutant.start : mutant.end].decode() == mutant.before
        assert after[: mutant.start] == before[: mutant.start]
        assert after[mutant.start + len(mutant.after.encode()) :] == before[mutant.end :]
        assert before[: mutant.start].count(b"\n") + 1 == mutant.line


def test_a_draw_has_each_kind_and_few_of_one_file() -> None:
    drawn = program().drawn(seed=7, count=24)
    assert len(set(drawn)) == 24
    assert set(Counter(one.kind for one in drawn).values()) == {3}
    assert max(Counter(one.file for one in drawn).values()) <= 2
    assert program().drawn(seed=7, count=24) == drawn
    assert program().drawn(seed=7, count=9) == drawn[:9]
    assert program().drawn(seed=8, count=24) != drawn


def test_a_room_is_drawn_alone() -> None:
    drawn = program().drawn(seed=1, count=12, room="gpus")
    assert len(drawn) == 12
    assert {room_of(one.file) for one in drawn} == {"gpus"}


def test_nothing_is_drawn_from_the_window_or_from_what_only_makes_text() -> None:
    files = {one.file for pool in program().pools.values() for one in pool}
    assert not [one for one in files if "/migrations/" in one or "/words/" in one]
    assert not [one for one in files if "PySide6" in program().source(one)]


@pytest.mark.parametrize(
    ("code", "kind", "after"),
    [
        ("return a < b", "limit", "return a <= b"),
        ("return (a)  >=  (b)", "limit", "return (a)  >  (b)"),
        ("return range(1)", "limit", "return range(2)"),
        ("return a - 1", "limit", "return a - 0"),
        ("pair(a, b)", "arguments", "pair(b, a)"),
        ("pair(left=a,\n        right=b)", "arguments", "pair(left=b,\n        right=a)"),
        ("self.lock.release()", "give back", "pass"),
        ("del self.held[a]", "give back", "pass"),
        ("return sorted(a, key=len)", "order", "return sorted(a, key=len, reverse=True)"),
        ("return sorted(a, key=lambda x: (x.at, x.id),)", "order", "return sorted(a, key=lambda x: (x.id, x.at),)"),
        ("return max(a, b)", "order", "return min(a, b)"),
        ("return a[0]", "order", "return a[-1]"),
        ("return a[-1]", "order", "return a[0]"),
        ("return a[:b]", "page", "return a[:b + 1]"),
        ("return a[-3:]", "page", "return a[(-3) + 1:]"),
        ("return find(limit=50)", "page", "return find(limit=51)"),
        ("return query.offset(a)", "page", "return query.offset(a + 1)"),
        ("if a == b:\n        return", "guard", "if (not (a == b)):\n        return"),
        ("return [x for x in a if x]", "guard", "return [x for x in a if (not (x))]"),
        ("return not (a or b)", "not", "return (a or b)"),
        ("return a not in b", "not", "return a in b"),
        ("return a is not b", "not", "return a is b"),
        ("return a and b", "and or", "return a or b"),
        ("return 'ä' and b", "and or", "return 'ä' or b"),
    ],
)
def test_each_way_to_be_wrong_is_seen(code: str, kind: str, after: str) -> None:
    frame = "def it(a, b):\n    {}\n"
    source = frame.format(code)
    found = mutants_of("it.py", source, {"pair": (("left", "int"), ("right", "int"))})
    assert frame.format(after) in {one.applied(source) for one in found if one.kind == kind}


@pytest.mark.parametrize(
    "code",
    [
        "raise Invalid(f'{a[0]} and {b < 1}', a[0])",
        "_log.info('%s', a < b)",
        "return f'{a[0]}'",
        "import a",
        "return mixed(a, b)",
        "return pair(a, a)",
        "self.lock.acquire()",
    ],
)
def test_what_only_tells_something_is_left_alone(code: str) -> None:
    signatures = {"pair": (("left", "int"), ("right", "int")), "mixed": (("left", "int"), ("right", "str"))}
    assert mutants_of("it.py", f"def it(a: int, b: int) -> None:\n    {code}\n", signatures) == []


def test_what_falls_into_a_comment_changes_nothing() -> None:
    source = "def it(a, b):\n    return (a  # this and that\n            and b)\n"
    assert [one.changes(source) for one in mutants_of("it.py", source, {})] == [False]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A program of three modules and their tests."""
    texts = {
        "mlops_desk/__init__.py": "",
        "mlops_desk/jobs/__init__.py": "",
        "mlops_desk/jobs/limits.py": "def fits(a, b):\n    if a < 0:\n        return False\n    if b < 0:\n        return False\n"
        "    if a + b > 9:\n        return False\n    return a <= b and b > 2\n",
        "mlops_desk/jobs/queue.py": "from mlops_desk.jobs.limits import fits\n\n\ndef starts(a):\n    return fits(a, 5)\n",
        "tests/unit/jobs/test_limits.py": "from mlops_desk.jobs.limits import fits\n\n\ndef test_fits():\n    assert fits(3, 3)\n"
        "    assert not fits(-1, 3)\n\n\ndef test_broken():\n    assert False\n",
        "tests/unit/jobs/test_queue.py": "from mlops_desk.jobs import queue\n\n\ndef test_starts():\n    assert queue.starts(1)\n",
        "tests/unit/test_other.py": "def test_other():\n    assert True\n",
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
        "tests/conftest.py": "from hypothesis import settings\n\nsettings.register_profile('first', max_examples=5)\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_nearest_tests_are_asked_first(house: Path) -> None:
    known = Program(house)
    assert known.tests_of("mlops_desk/jobs/limits.py", 9) == [
        "tests/unit/jobs/test_limits.py",
        "tests/unit/jobs/test_queue.py",
    ]
    assert known.tests_of("mlops_desk/jobs/limits.py", 1) == ["tests/unit/jobs/test_limits.py"]
    assert known.tests_of("mlops_desk/jobs/queue.py", 9) == ["tests/unit/jobs/test_queue.py"]
    (house / "tests/unit/conftest.py").write_text("import mlops_desk.jobs.queue\n")
    assert "tests/unit/test_other.py" in Program(house).tests_of("mlops_desk/jobs/queue.py", 9)


def test_a_mutant_is_judged_by_what_fails_with_it_alone_and_is_undone(house: Path) -> None:
    known = Program(house)
    judge = Judge(known, Bench(house), files=2, seconds=120)
    file = "mlops_desk/jobs/limits.py"
    made = mutants_of(file, known.source(file), {})
    bound = next(one for one in made if (one.before, one.line) == ("<=", 8))
    sum_ = next(one for one in made if (one.before, one.line) == (">", 6))
    killed, lived = judge.judged(bound), judge.judged(sum_)
    assert (killed.word, killed.test) == (KILLED, "tests/unit/jobs/test_limits.py::test_fits")
    assert (lived.word, lived.test) == (LIVED, "")
    assert (house / file).read_text() == known.source(file)
    assert "| jobs | 2 | 1 | 1 | 0 | 0 | 50% |" in table([killed, lived])
    (house / "tests/unit/jobs/test_limits.py").unlink()
    (house / "tests/unit/jobs/test_queue.py").unlink()
    assert Judge(Program(house), Bench(house), files=2, seconds=120).judged(bound).word == NOT_COVERED
