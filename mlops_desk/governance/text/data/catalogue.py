"""Data sets: a line each, one with its versions and users, and what something stands on."""

from collections.abc import Callable
from typing import Any

from mlops_desk.governance.records.data.catalogue import DataSet, DataSetBrief, DataUse, DataVersion
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, size, table

_SETTING = "serving.request_log_days"
_TEXT = 400  # chosen: five lines of a terminal
_HASH = 12  # chosen: as many digits as tell data sets of one machine apart; --json has all
_SHOWN = 20  # chosen: versions and users on one screen; --json has all


def data_set(item: DataSet) -> str:
    """Return all that is known of a set."""
    brief = item.brief
    told = {
        "data set": plain(brief.name),
        "kind": brief.kind,
        "place": plain(brief.place, _TEXT),
        "state": f"{brief.state}{_when(brief.looked_at)}" + (f": {plain(brief.text, _TEXT)}" if brief.text else ""),
        "hash": hashed(brief.sha256, brief.digest),
        "size": "–" if brief.size_bytes is None else size(brief.size_bytes) + _files(brief.files),
        **_answer(item.versions[:1]),
        **_traits(brief),
        "registered": "yes" if brief.is_registered else "no: the desk knows of it by what uses it",
    }
    if item.progress is not None:
        told["so far"] = f"{item.progress.files:,} files, {size(item.progress.size_bytes)}"
    if item.hint:
        told["hint"] = plain(item.hint, _TEXT)
    parts = [facts(told)]
    if item.columns:
        rows = [[plain(one.name), one.kind or "not known"] for one in item.columns]
        parts.append(table(["COLUMN", "KIND"], rows))
    elif item.columns_why:
        parts.append(f"Columns: {plain(item.columns_why, _TEXT)}")
    if item.versions:
        parts.append(
            table(["VERSION", "SEEN", "LAST", "HASH", "SIZE", "BY"], [_version(one) for one in item.versions[:_SHOWN]])
        )
    if item.users:
        rows = [
            [one.kind, plain(one.name), "–" if one.version is None else str(one.version), plain(one.how, _TEXT)]
            for one in item.users[:_SHOWN]
        ]
        parts.append(table(["USED BY", "NAME", "VERSION", "AS"], rows))
    parts += [f"{what} are {count - _SHOWN:,} more: --json has all." for what, count in _more(item) if count > _SHOWN]
    parts += [plain(text, _TEXT) for text in item.missing]
    return "\n\n".join(parts)


def _more(item: DataSet) -> tuple[tuple[str, int], ...]:
    return ("Of versions there", len(item.versions)), ("Of users there", len(item.users))


def _version(one: DataVersion) -> list[str]:
    return [
        str(one.number),
        ago(one.seen_at),
        ago(one.last_at),
        hashed(one.sha256, one.digest),
        "–" if one.size_bytes is None else size(one.size_bytes),
        plain(one.seen_by or "a look"),
    ]


def kept_for(brief: DataSetBrief) -> str:
    """Return how long a set is to be kept, and by whose word."""
    said = brief.traits.retention_days
    if brief.kept_days is None:
        return "nobody has said" if said is None else f"{said:g} days"
    if said is not None and said >= brief.kept_days:
        return f"{said:g} days, as is said of it"
    less = "" if said is None else f"; {said:g} days, as is said of it, by data retention"
    return f"{brief.kept_days:g} days, by the setting {_SETTING}{less}"


def _traits(brief: DataSetBrief) -> dict[str, str]:
    traits = brief.traits
    told = {
        "owner": plain(traits.data_owner or "–", _TEXT),
        "licence": plain(traits.licence or "–", _TEXT),
        "kept for": kept_for(brief),
        "data of persons": traits.personal,
    }
    return told | ({"notes": plain(traits.notes, _TEXT)} if traits.notes else {})


def hashed(sha256: str | None, digest: str | None) -> str:
    """Return by what a version is known, short."""
    if sha256 is not None:
        return sha256[:_HASH]
    return "–" if digest is None else plain(digest, 40)


def _when(at: float | None) -> str:
    return "" if at is None else f", {ago(at)}"


def _answer(newest: tuple[DataVersion, ...]) -> dict[str, str]:
    """Return what is known of a query and its newest answer."""
    if not newest or newest[0].query_sha256 is None:
        return {}
    rows = "not known" if newest[0].rows is None else f"{newest[0].rows:,}"
    return {
        "rows": rows,
        "query": f"hash {newest[0].query_sha256[:_HASH]}",
        "new rows": "a rule waits for them (newRows with this query:) by a column: that only grows",
    }


def _files(files: int | None) -> str:
    return "" if files is None else f" in {files:,} {'file' if files == 1 else 'files'}"


FORMS: dict[type, Callable[[Any], str]] = {DataSet: data_set}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    DataSetBrief: {
        "DATA SET": lambda item: plain(item.name),
        "KIND": lambda item: item.kind,
        "STATE": lambda item: item.state,
        "HASH": lambda item: hashed(item.sha256, item.digest),
        "SIZE": lambda item: "–" if item.size_bytes is None else size(item.size_bytes),
        "PERSONAL": lambda item: item.traits.personal,
        "LICENCE": lambda item: plain(item.traits.licence or "–"),
        "USED BY": lambda item: str(item.users),
        "PLACE": lambda item: plain(item.place, _TEXT),
    },
    DataUse: {
        "DATA SET": lambda item: plain(item.dataset),
        "KIND": lambda item: item.kind,
        "VERSION": lambda item: "–" if item.version is None else str(item.version),
        "HASH": lambda item: hashed(item.sha256, item.digest),
        "STATE": lambda item: item.state,
        "PERSONAL": lambda item: item.traits.personal,
        "LICENCE": lambda item: plain(item.traits.licence or "–"),
        "AS": lambda item: plain(item.how, _TEXT),
    },
}
