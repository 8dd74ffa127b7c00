"""Which keys make a condition or an action, and which go together: told where each stands.

A condition has exactly one key that says its kind. A key of another kind beside it is no typing error, so the answer
says to which kind it belongs.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mlops_desk.automation.rules.document.fields import RuleFile, WhenFields
from mlops_desk.kit.base.document.binding import Bound

WHEN: Mapping[str, frozenset[str]] = {
    "metric": frozenset({"device", "of", "above", "below", "clear", "for", "average", "grownOver"}),
    "state": frozenset({"of", "is", "for"}),
    "cron": frozenset({"zone"}),
    "newData": frozenset(),
    "newRows": frozenset({"table", "query", "column", "login"}),
    "dvc": frozenset({"ref", "output"}),
    "push": frozenset({"ref"}),
    "drift": frozenset({"model"}),
    "manual": frozenset(),
    "and": frozenset(),
    "or": frozenset(),
}
"""Each kind of condition, with what may stand beside its key."""
THEN: Mapping[str, frozenset[str]] = {
    "notify": frozenset({"level", "text"}),
    "alert": frozenset({"text"}),
    "submit": frozenset({"params"}),
    "retrain": frozenset(
        {
            "alias",
            "metric",
            "goal",
            "data",
            "test",
            "newest",
            "label",
            "positive",
            "delta",
            "slices",
            "sliceDelta",
            "sizeTimes",
            "latencyTimes",
            "augment",
        }
    ),
    "stop": frozenset({"warning"}),
    "pause": frozenset(),
    "rollBack": frozenset(),
    "approval": frozenset({"people"}),
    "ci": frozenset({"data"}),
    "promote": frozenset(),
}
"""Each kind of action, likewise."""


def given(table: Struct) -> dict[str, Any]:
    """Return the keys of a table that say something."""
    fields = msgspec.structs.fields(type(table))
    values = {item.encode_name: getattr(table, item.name) for item in fields}
    return {name: value for name, value in values.items() if value is not None}


def kind_at(bound: Bound[RuleFile], table: Struct, path: str, kinds: Mapping[str, frozenset[str]]) -> str:
    """Return the key that says what a condition or an action is. Raises Invalid."""
    keys = given(table)
    found = [name for name in kinds if name in keys]
    if not found:
        bound.refuse(path, "it does not say what it is.", f"Give it one of these: {', '.join(kinds)}.")
    if len(found) > 1:
        hint = "Join them with and: or or:." if kinds is WHEN else "Make each of them an item of the list."
        bound.refuse(f"{path}.{found[1]}", f"there is {found[0]} already.", hint)
    for name in keys:
        if name != found[0] and name not in kinds[found[0]]:
            belongs = " or ".join(kind for kind, others in kinds.items() if name in others)
            text = f"it says nothing beside {found[0]}."
            bound.refuse(f"{path}.{name}", text, f"It goes with {belongs}. Take it away.")
    return found[0]


def parts_of(table: WhenFields, path: str) -> list[tuple[WhenFields, str]]:
    """Return the parts of a joined condition, with where they stand; none for one that is not joined."""
    key, parts = ("and", table.and_) if table.and_ is not None else ("or", table.or_)
    return [(part, f"{path}.{key}[{index}]") for index, part in enumerate(parts or ())]
