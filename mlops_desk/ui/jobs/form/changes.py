"""In what a job file differs from the one that it began as, field by field. No Qt here."""

from collections.abc import Iterator

from mlops_desk.base.text import plain
from mlops_desk.ui.jobs.form.yaml_text import NoForm, Value, read, value_of

_VALUE = 40  # chosen: characters of a value in a line
_MOST = 6  # chosen: fields that are named; more are counted


def changes(before: str, after: str) -> str:
    """Return what is other: ``params.lr: 0.1 → 0.01; resources.gpus: 1 → 2``; nothing where nothing is.

    Nothing too where one of the files can't be read field by field.
    """
    try:
        old, new = _flat(before), _flat(after)
    except NoForm:
        return ""
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    told = [f"{plain(name, _VALUE)}: {_shown(old.get(name))} → {_shown(new.get(name))}" for name in names[:_MOST]]
    more = len(names) - _MOST
    return "; ".join([*told, *([f"and {more:,} more"] if more > 0 else [])])


def _flat(text: str) -> dict[str, Value]:
    return dict(_fields("", value_of(read(text))))


def _fields(path: str, value: Value) -> Iterator[tuple[str, Value]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _fields(f"{path}.{name}" if path else name, inner)


def _shown(value: Value | None) -> str:
    if value is None:
        return "none"
    return plain(" ".join(map(str, value)) if isinstance(value, list) else str(value), _VALUE)
