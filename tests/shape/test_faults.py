"""The list of faults is whole, and each has tests that exist."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = tomllib.loads((ROOT / "tests" / "faults.toml").read_text(encoding="utf-8"))
PROMISED = {
    "library-missing", "version-mismatch", "symbol-missing", "init-error", "init-hangs", "call-hangs",
    "call-hangs-unkillable", "gpu-lost", "reset-required", "gpu-count-changes", "driver-unbound", "mig-layout-changes",
    "counter-wraps", "sentinel-values", "utilisation-above-100", "no-permission", "xid-storm", "collector-killed",
    "collector-stopped", "pid-reuse", "engine-absent", "disk-full", "read-only-home", "damaged-database",
    "damaged-chunk", "damaged-settings", "clock-jumps-a-day", "clock-jumps-ten-years", "two-starts-at-once",
    "zero-gpus", "ten-thousand-processes", "killed-in-migration", "damaged-record", "emptied-state", "disk-full-at-end", "lease-damaged", "lease-vandal", "holder-killed", "job-record-lost",
    "memory-held-by-nobody", "gateway-flood", "gateway-few-descriptors", "gateway-killed", "log-disk-full", "model-breaks-off",
    "hostile-model", "hostile-job-file", "agent-killed", "engine-killed", "container-cleaner", "job-fills-its-folder",
    "job-mounts-our-own", "agents-crowd", "place-abused", "place-refused", "gpu-lost-to-job", "one-engine-of-several",
    "tracking-server-killed", "tracking-server-frozen", "tracking-server-ends-at-once",
    "agent-killed-during-a-change", "alias-moved-at-once", "alias-moved-on-a-full-disk", "clock-jumps-around-aliases",
    "data-disk-hangs", "retention-killed", "rewriting-full-disk",
    "hostile-model-files", "power-cut-canary", "endpoint-disk-full", "endpoint-disk-hung", "replica-faults", "endpoint-engine-gone", "gateway-port-taken",
    "endpoint-build-fails", "agent-killed-beside-an-endpoint", "gateway-frozen",
    "agent-killed-while-gpus-are-lent",
}  # fmt: skip


def test_every_promised_fault_is_in_the_list() -> None:
    assert set(FAULTS) == PROMISED


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_says_what_is_required_and_has_tests_that_exist(name: str) -> None:
    fault = FAULTS[name]
    assert set(fault) == {"what", "required", "tests"}
    assert fault["what"]
    assert fault["required"].endswith(".")
    assert fault["tests"]
    for test in fault["tests"]:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), path
        assert function in functions_of(path), test
        assert function.startswith("test_"), test
