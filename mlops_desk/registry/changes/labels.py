"""Tags and descriptions as they stand, and what takes a change of them back. Pure."""

from mlops_desk.base.errors import Invalid, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.model import Model, ModelVersion, Run
from mlops_desk.records.registry.labels import Labels
from mlops_desk.records.registry.undo import Undo
from mlops_desk.registry.changes.undoing import undo

DESCRIPTION_TAG = "mlflow.note.content"
"""In which MLflow keeps a run's description."""
_OWN_TAGS = "mlflow."
_MOST_KEY = 250  # MLflow's own limit
_MOST_VALUE = 5000  # MLflow's own limit for tags of models; runs take 8,000
_MOST_TEXT = 5000  # MLflow's own limit for descriptions


def of_model(model: Model) -> Labels:
    return Labels(model.name, None, model.description, dict(model.tags))


def of_version(version: ModelVersion) -> Labels:
    return Labels(version.name, version.version, version.description, dict(version.tags))


def of_run(run: Run) -> Labels:
    tags = {key: value for key, value in run.tags.items() if not key.startswith(_OWN_TAGS)}
    return Labels(run.run_id, None, run.tags.get(DESCRIPTION_TAG) or None, tags)


def check_tag(key: str, value: str | None) -> None:
    """Refuse what MLflow would refuse, or read itself. Raises Invalid."""
    if not key.strip() or len(key) > _MOST_KEY:
        raise Invalid(f"A tag's name has 1 to {_MOST_KEY} characters, not {len(key)}.")
    if key.startswith(_OWN_TAGS):
        raise Invalid(f"The tag {plain(key)} is MLflow's own.", "Its tags begin with mlflow.; choose another name.")
    if value is not None and len(value) > _MOST_VALUE:
        raise Invalid(f"A tag's value has at most {_MOST_VALUE:,} characters, not {len(value):,}.")


def check_text(text: str) -> None:
    """Refuse a description that is too long for MLflow. Raises Invalid."""
    if len(text) > _MOST_TEXT:
        raise Invalid(f"A description has at most {_MOST_TEXT:,} characters, not {len(text):,}.")


def check_expected(what: str, now: str | None, expected: str | None) -> None:
    """Refuse where something does not read as it was seen (None: nobody says; empty: nothing). Raises Refused."""
    if expected is not None and (now or "") != expected:
        told = f"reads {plain(now)!r}" if now else "is empty"
        text = f"{what} {told} by now, not as when you looked. It was not changed."
        raise Refused(text, "Look again, and decide anew.")


def undo_tag(was: Labels, service: str, key: str, value: str | None, uri: str | None) -> Undo | None:
    """Return what puts a tag back; None where it was so before."""
    before = was.tags.get(key)
    if before == value:
        return None
    named: dict[str, str | None] = {"version": was.version, "key": key, "value": before, "expected": value or ""}
    return undo(f"{service}.tag", {_NAMES[service]: was.name, **named}, uri)


def undo_text(was: Labels, service: str, text: str, uri: str | None) -> Undo | None:
    """Return what puts a description back; None where it was so before."""
    before = was.description or ""
    if before == text:
        return None
    named = {"version": was.version, "text": before, "expected": text}
    return undo(f"{service}.describe", {_NAMES[service]: was.name, **named}, uri)


_NAMES = {"models": "model", "runs": "run_id"}
