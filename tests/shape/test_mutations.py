"""The list of mutations can be applied, and each names a test that exists."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutations_run", ROOT / "tests/mutations/run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    import sys  # the dataclasses of the module look it up there

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RUNNER = loaded()


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))


@pytest.mark.parametrize("part", RUNNER.parts())
def test_each_mutation_changes_one_place_and_names_a_test_that_exists(part: str) -> None:
    for mutation in RUNNER.mutations_of(part):
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.find) == 1, (mutation.file, mutation.find)
        assert mutation.find != mutation.replace
        assert mutation.why
        path, *names = mutation.killed_by.split("::")
        assert names, mutation.killed_by
        for name in names:
            assert name.split("[")[0] in functions_of(path), mutation.killed_by
