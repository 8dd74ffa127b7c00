"""What is changed in a registry: where aliases went and what a move brings, tags and descriptions, deleted runs."""

from collections.abc import Callable
from typing import Any

from mlops_desk.kit.text.cells import ago, facts, moment, number, table
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview, Follower
from mlops_desk.registry.records.labels import Labels, RunStage
from mlops_desk.registry.records.model import ModelVersion

_SHOWN_VALUES = 40  # chosen: what fits on a screen; models compare has all of them


def _when(move: AliasMove) -> str:
    """Say when a move was made; one that was made elsewhere, between which two looks."""
    if move.who is not None:
        return moment(move.at)
    if move.seen_since is None:
        return f"before {moment(move.at)}"
    return f"{moment(move.seen_since)} to {moment(move.at)}"


def _who(move: AliasMove) -> str:
    if move.who is not None:
        return f"{move.who}, put back" if move.is_back else move.who
    if move.seen_since is None:
        return "not known: so it stood when it was first looked at"
    return "elsewhere, and nobody looked for long" if move.is_gap else "elsewhere"


def _preview(item: AliasPreview) -> str:
    was = "does not exist yet" if item.from_version is None else f"version {item.from_version}"
    parts = [
        facts(
            {
                "alias": f"{item.model}@{item.alias}",
                "now": was,
                "then": f"version {item.to_version}",
                **({} if item.from_version != item.to_version else {"note": "it points there already"}),
                "endpoints": "; ".join(map(_followed, item.followers)) or "none serves this model",
            }
        )
    ]
    differing = [value for value in item.values if value.differs][:_SHOWN_VALUES]
    if differing:
        heads = ["", f"VERSION {item.from_version}", f"VERSION {item.to_version}"]
        parts.append(table(heads, [[f"{one.group} {one.key}", *map(_value, one.values)] for one in differing]))
    return "\n\n".join(parts)


def _followed(follower: Follower) -> str:
    goes = "follows it" if follower.follows else "stays until it is deployed"
    return f"{follower.endpoint} serves version {follower.serves} and {goes}"


def _value(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else number(value)


def _labels(item: Labels) -> str:
    what = item.name if item.version is None else f"{item.name} version {item.version}"
    return facts(
        {
            "of": what,
            "about": item.description or "–",
            **{f"tag {key}": value for key, value in sorted(item.tags.items())},
            **({} if item.undo is None else {"undo": item.undo.command}),
        }
    )


def _version(item: ModelVersion) -> str:
    return facts(
        {
            "version": f"{item.name} version {item.version}",
            "status": item.status,
            "aliases": ", ".join(item.aliases) or "none",
            "run": item.run_id or "–",
            "files": item.source or "–",
            "created": ago(item.created_at),
        }
    )


TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    AliasMove: {
        "WHEN": _when,
        "ALIAS": lambda move: move.alias,
        "FROM": lambda move: move.from_version or "–",
        "TO": lambda move: move.to_version or "–",
        "WHO": _who,
    },
    RunStage: {
        "RUN": lambda stage: stage.run_id,
        "NAME": lambda stage: stage.name or "–",
        "STATE": lambda stage: {None: "not known", True: "deleted", False: "there"}[stage.is_deleted],
        "NOTE": lambda stage: stage.problem or "",
        "UNDO": lambda stage: stage.undo.command if stage.undo is not None else "",
    },
}

FORMS: dict[type, Callable[[Any], str]] = {AliasPreview: _preview, Labels: _labels, ModelVersion: _version}
