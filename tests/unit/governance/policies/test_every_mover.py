"""Every way by which an alias moves passes the gate: a new one that does not is found here."""

import ast
from pathlib import Path

import pytest

import mlops_desk
from mlops_desk.kit.verbs.declaration import verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS

ROOT = Path(mlops_desk.__file__).parent
WRITES = {"set_alias", "remove_alias", "set_registered_model_alias", "delete_registered_model_alias"}
CALLERS = {
    "registry/aliases/moves.py": "the one place that moves aliases; alias_operations.py asks the gate before it",
    "registry/mlflow/client.py": "what a worker does for moves.py",
    "registry/mlflow/writer.py": "likewise",
    "automation/rules/pipeline/driver.py": "by the registry's core, which asks the gate",
    "desk/demo/demo_desk.py": "likewise",
    "desk/demo/models.py": "makes the demo's registry, before there is anybody",
}
"""Who calls what writes an alias, and why that passes the gate. Whoever adds a file here shows by a test that it does."""
MOVING = {"registry/aliases/alias_operations.py": "the only caller of what moves, right after it has asked the gate"}
TAKES_AN_ALIAS = {
    "models.alias": "test_promotions.MOVES", "models.promote": "test_promotions.MOVES",
    "models.rollback": "test_promotions.MOVES", "models.remove_alias": "test_promotions.MOVES",
    "ci.promote": "test_tag_moves: by Promotions too, with a signed tag for a word",
    "approvals.ask": "moves by Promotions, through the registry's core",
    "policies.set": "moves nothing", "policies.remove": "moves nothing",
    "rules.create": "moves nothing; its pipelines do, by driver.py",
    "endpoints.follow": "goes with an alias, and moves none",
}  # fmt: skip
"""Each verb that changes something and takes an alias, and what shows that it moves none past the gate."""


def called(path: Path) -> set[str]:
    """Return the names of methods that a file calls, or hands on."""
    tree = ast.parse(path.read_text())
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def files_with(names: set[str]) -> set[str]:
    """Return the files outside the window, which asks the agent by its verbs."""
    found = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if called(path) & names}
    return {one for one in found if "/window/" not in one}


@pytest.mark.slow
def test_nothing_writes_an_alias_but_what_the_gate_stands_before() -> None:
    handed_on = {"desk/automation/pipelines.py", "governance/policy_gate.py", "registry/models.py"}  # that of the core
    assert files_with(WRITES) == {*CALLERS, *handed_on}


@pytest.mark.slow
def test_what_moves_is_called_by_what_asks_the_gate_alone() -> None:
    importing = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if "AliasMoving" in path.read_text() and path.name != "moves.py"
    }
    assert importing == set(MOVING)
    source = ast.parse((ROOT / "registry/aliases/alias_operations.py").read_text())
    moves = [
        node.name
        for node in ast.walk(source)
        if isinstance(node, ast.FunctionDef) and "self._moving.move(" in ast.unparse(node)
    ]
    assert moves == ["move"]
    body = next(ast.unparse(node) for node in ast.walk(source) if getattr(node, "name", "") == "move")
    assert body.index("self._admitted(") < body.index("self._moving.move(")


def test_each_verb_that_takes_an_alias_is_known_to_move_none_past_the_gate() -> None:
    takes = {
        f"{service}.{verb.word}"
        for service, protocol in PROTOCOLS.items()
        for verb in verbs_of(service, protocol)
        if verb.mark.changes and any(one.name == "alias" for one in verb.parameters)
    }
    assert takes == set(TAKES_AN_ALIAS)
