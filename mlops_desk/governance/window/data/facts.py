"""What is known of a data set, in words: what people say of it, its versions and what changed between them."""

from mlops_desk.governance.records.data.catalogue import (
    DataKind,
    DataSet,
    DataSetBrief,
    DataVersion,
    PersonalData,
    SetState,
)
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import ALERT, IDLE, INFO, OK, UNKNOWN, WARNING, Mark

STATE_MARKS = {
    SetState.SAME: Mark("ok", OK, "as it was"),
    SetState.CHANGED: Mark("warning", WARNING, "changed"),
    SetState.GONE: Mark("alert", ALERT, "gone"),
    SetState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
    SetState.LOOKING: Mark("info", INFO, "being looked at"),
    SetState.GROWS: Mark("muted", IDLE, "grows"),
}
PERSONAL = {PersonalData.UNKNOWN: "nobody has said", PersonalData.NO: "no", PersonalData.YES: "yes"}
GROWING = frozenset({DataKind.LOG, DataKind.LABELS, DataKind.LISTS})
_MOST = 200  # chosen: more of one kind than anybody reads; the command line tells all
_NAMED = 6  # chosen: columns that a line still names
_HASH = 12  # characters, as the command line shows of a hash; the tip has all of it


def state_words(found: DataSet) -> str:
    """Say how a set is; while it is looked at, how far that is."""
    brief, progress = found.brief, found.progress
    mark = STATE_MARKS[brief.state]
    if progress is not None:
        doing = "being stopped" if progress.is_stopping else mark.word
        return (
            f"{mark.shape} {doing}: {numbers.count(progress.files, 'file')}, {numbers.size(progress.size_bytes)} so far"
        )
    return f"{mark.text}{f': {plain(brief.text, 300)}' if brief.text else ''}"


def set_facts(found: DataSet) -> list[Fact]:
    """Return what is known of a set but for who stands on it."""
    brief, traits = found.brief, found.brief.traits
    facts = [
        Fact("State", state_words(found), STATE_MARKS[brief.state].token),
        Fact("Place", plain(brief.place, 300)),
        moment_fact("Looked at", brief.looked_at),
        Fact("Owner", plain(traits.data_owner or numbers.NOTHING, 100)),
        Fact("Licence", plain(traits.licence or numbers.NOTHING, 200)),
        Fact("Data of persons", PERSONAL[traits.personal], "text" if traits.personal is PersonalData.NO else "warning"),
        Fact("Kept", _kept(brief)),
        *([Fact("Notes", plain(traits.notes, 2000))] if traits.notes else []),
    ]
    for place, version in enumerate(found.versions[:_MOST]):
        facts.append(_version(version))
        before = found.versions[place + 1] if place + 1 < len(found.versions) else None
        changed = "" if before is None else difference(before, version)
        facts += [Fact("What changed", changed, "warning" if place == 0 else "muted")] if changed else []
    facts += _columns(found)
    facts += [] if found.users else [Fact("Used by", "nothing that the desk knows of", "muted")]
    return facts + [Fact("Not asked", plain(one, 300), "warning") for one in found.missing[:_MOST]]


def _kept(brief: DataSetBrief) -> str:
    said = brief.traits.retention_days
    if brief.kept_days is None:
        return "nobody has said how long" if said is None else f"{said:g} days"
    if said is not None and said >= brief.kept_days:
        return f"{said:g} days, as is said of it"
    return f"{brief.kept_days:g} days, by the settings" + ("" if said is None else f"; {said:g} by its retention")


def _version(version: DataVersion) -> Fact:
    rows = "" if version.rows is None else f", {version.rows:,} rows"
    files = "" if version.files is None else f" in {numbers.count(version.files, 'file')}"
    told = version.sha256 or version.digest or "not hashed"
    seen = "" if version.seen_by is None else f", told by {plain(version.seen_by, 60)}"
    return Fact(
        f"Version {version.number}",
        f"{numbers.size(version.size_bytes)}{files}{rows}, {plain(told, _HASH)}{seen}",
        tip=f"{numbers.absolute(version.seen_at)}\n{plain(told, 64)}",
    )


def difference(before: DataVersion, now: DataVersion) -> str:
    """Say what of two versions is known to differ, in numbers and columns; nothing where nothing is."""
    told = []
    for what, old, new in (("files", before.files, now.files), ("rows", before.rows, now.rows)):
        if old is not None and new is not None and old != new:
            told.append(f"{old:,} → {new:,} {what}")
    if before.size_bytes is not None and now.size_bytes is not None and before.size_bytes != now.size_bytes:
        told.append(f"{numbers.size(before.size_bytes)} → {numbers.size(now.size_bytes)}")
    if before.columns and now.columns:
        old_kinds, new_kinds = ({one.name: one.kind for one in version.columns} for version in (before, now))
        told += [
            f"{word} {plain(_named(names), 300)}"
            for word, names in (
                ("new:", [name for name in new_kinds if name not in old_kinds]),
                ("gone:", [name for name in old_kinds if name not in new_kinds]),
                (
                    "of another kind:",
                    [name for name, kind in new_kinds.items() if old_kinds.get(name, kind) is not kind],
                ),
            )
            if names
        ]
    hashes = (before.sha256, before.digest), (now.sha256, now.digest)
    if not told and hashes[0] != hashes[1]:
        return "its hash, and nothing else as far as is known"
    return ", ".join(told)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _columns(found: DataSet) -> list[Fact]:
    if found.columns:
        kinds = (f"{one.name} ({'other' if one.kind is None else one.kind.value})" for one in found.columns[:_MOST])
        return [Fact("Columns", plain(", ".join(kinds), 2000))]
    return [Fact("Columns", plain(found.columns_why, 300), "muted")] if found.columns_why else []
