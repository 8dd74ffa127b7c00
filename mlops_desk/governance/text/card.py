"""The card of a version as text: what people say, what the desk knows, and what was done with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlops_desk.governance.records.card import CARD_TEXTS, CardBrief, CardExport, CardFigure, CardOfVersion, CardText
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, moment, number, size, table

_TEXT = 4000  # as long as a text of a card may be
_CELL = 60  # chosen: three of them fit into a wide terminal; --json has all
_SHOWN = 20  # chosen: a screen; --json has all


def card(item: CardOfVersion) -> str:
    """Return a whole card."""
    return "\n\n".join([facts(dict(_head(item))), *_parts(item)])


def _head(item: CardOfVersion) -> Iterator[tuple[str, str]]:
    yield "card", f"{plain(item.model)}/{plain(item.version)}"
    stage = item.stage.replace("_", " ")
    yield "state", f"{stage}, revision {item.revision}" if item.revision else "nobody has written it yet"
    if item.is_foreign:
        yield "from", "another desk; its state counts for nothing here"
    elif item.revision:
        yield "in registry", "yes" if item.is_published else "not yet"
    if item.trouble is not None:
        yield "trouble", plain(item.trouble, _TEXT)
    if item.needed:
        yield "lacks", ", ".join(item.needed)
    known = item.facts
    yield "run", plain(known.run_id or "–")
    yield "trained by", plain(known.owner or "–")
    yield "facts of", "–" if known.at is None else moment(known.at)
    yield "sha256", item.sha256


def _parts(item: CardOfVersion) -> Iterator[str]:
    said = {one.name: one for one in item.texts}
    yield facts({name: _said(said.get(name, CardText(name))) for name in CARD_TEXTS})
    known, environment = item.facts, item.facts.environment
    if known.data:
        rows = [[plain(one.name, _CELL), plain(one.digest, 80), one.role or "–"] for one in known.data[:_SHOWN]]
        yield table(["DATA", "DIGEST", "AS"], rows)
    if known.figures:
        yield table(["FIGURE", "VALUE", "95 %", "ROWS", "ON"], [_figure(one) for one in known.figures[:_SHOWN]])
    if known.monitors:
        heads = ["MONITOR", "ENDPOINT", "NEWEST WINDOW"]
        yield table(heads, [[one.name, one.endpoint or "–", one.verdict or "none yet"] for one in known.monitors])
    if environment.image or environment.requirements:
        yield facts({
            "image": plain(environment.image or "–"),
            "digest": plain(environment.image_digest or "–"),
            "commit": plain(environment.commit or "–"),
            "packages": plain(", ".join(environment.requirements), _TEXT) or "–",
        })  # fmt: skip
    if known.gaps:
        yield table(["NOT KNOWN", "WHY"], [[plain(one.what), plain(one.why, _TEXT)] for one in known.gaps])
    if item.steps:
        rows = [[moment(one.at), plain(one.by), one.act.replace("_", " "), plain(one.why)] for one in item.steps]
        yield table(["WHEN", "WHO", "WHAT", "WHY"], rows[-_SHOWN:])


def _said(one: CardText) -> str:
    if not one.text:
        return "–"
    by = "the desk" if one.by_desk else plain(one.by or "somebody")
    return f"{plain(one.text.replace(chr(10), ' / '), _TEXT)}  ({by})"


def _figure(one: CardFigure) -> list[str]:
    interval = "–" if one.low is None or one.high is None else f"{number(one.low, 4)} to {number(one.high, 4)}"
    rows = "–" if one.rows is None else f"{one.rows:,}"
    return [plain(one.name, _CELL), number(one.value), interval, rows, plain(one.data or "its own run", _CELL)]


def exported(item: CardExport, file: Path) -> str:
    """Return what was written, and where."""
    stage = item.stage.replace("_", " ")
    name = f"{plain(item.model)}/{plain(item.version)}"
    told = {"file": f"{file} ({size(len(item.data))})", "card": f"{name}, revision {item.revision}, {stage}"}
    return facts(told)


FORMS: dict[type, Callable[[Any], str]] = {CardOfVersion: card}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    CardBrief: {
        "VERSION": lambda item: f"{plain(item.model, _CELL)}/{plain(item.version)}",
        "STATE": lambda item: item.stage.replace("_", " "),
        "REVISION": lambda item: str(item.revision),
        "CHANGED": lambda item: ago(item.updated_at),
        "BY": lambda item: plain(item.by or "–"),
        "IN REGISTRY": lambda item: "yes" if item.is_published else "no",
        "LACKS": lambda item: ", ".join(item.needed) or "–",
    },
}
