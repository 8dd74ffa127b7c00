"""What a person says of a data set, read: where it lies, and what is to be known of it. Pure."""

import math
from dataclasses import replace

from mlops_desk.base.errors import Hint, Invalid
from mlops_desk.base.text import plain
from mlops_desk.governance.data.desk_files import LISTS
from mlops_desk.records.data.catalogue import DataKind, DataPlace, PersonalData, SetTraits

NAME_LIMIT = 200  # chosen: as long as the names of models
_WORDS = 400  # chosen: of an owner or a licence, a paragraph
_NOTES = 10_000  # chosen: two pages
_LONGEST_DAYS = 36_525.0  # chosen: a hundred years
_OURS = ("/requests", "/labels", LISTS)
_DVC = ".dvc"
_HINT = Hint(
    "mlops-desk data register NAME --path FOLDER", after=", or --run with --dataset, or --database with --query."
)


def name_of(text: str) -> str:
    """Return a name that a set may have. Raises Invalid."""
    if not text.strip() or len(text) > NAME_LIMIT or not text.isprintable() or text != text.strip():
        text = f"{plain(text, 80)!r} can't be the name of a data set."
        raise Invalid(text, f"A name has 1 to {NAME_LIMIT} characters, all of which are seen.")
    if text.endswith(_OURS):
        raise Invalid(f"{plain(text, 80)!r} is what data of the desk's own are called.", "Name the data set otherwise.")
    return text


def place_of(
    path: str | None,
    run: str | None,
    dataset: str | None,
    database: str | None,
    query: str | None,
    login: str | None,
) -> DataPlace:
    """Return where a set lies; it is said by one of three ways. Raises Invalid."""
    ways = [path is not None, run is not None or dataset is not None, database is not None or query is not None]
    if sum(ways) != 1:
        raise Invalid("A data set lies in one place: a path, what a run has logged, or a database's answer.", _HINT)
    if path is not None:
        if "\0" in path or not path.startswith("/"):
            raise Invalid(f"{plain(path, 300)!r} is no absolute path.", _HINT)
        # Whether it is a file or a folder is seen by the look, which a disk that hangs holds up and nobody else.
        return DataPlace(DataKind.DVC if path.endswith(_DVC) else DataKind.FOLDER, path=path)
    if run is not None or dataset is not None:
        if not run or not dataset:
            raise Invalid("What a run has logged is named by both, --run and --dataset.", _HINT)
        return DataPlace(DataKind.MLFLOW, run=run, dataset=dataset)
    if not database or not query:
        raise Invalid("A database's answer needs both, --database and --query.", _HINT)
    return DataPlace(DataKind.QUERY, database=database, query=query, login=login or None)


def traits_of(
    known: SetTraits,
    data_owner: str | None,
    licence: str | None,
    retention_days: float | None,
    personal: str | None,
    notes: str | None,
) -> SetTraits:
    """Return what is said of a set: None leaves a trait, an empty word or 0 days take it back. Raises Invalid."""
    made = known
    if data_owner is not None:
        made = replace(made, data_owner=_words(data_owner, "An owner", _WORDS))
    if licence is not None:
        made = replace(made, licence=_words(licence, "A licence", _WORDS))
    if notes is not None:
        made = replace(made, notes=_words(notes, "Notes", _NOTES))
    if retention_days is not None:
        if not math.isfinite(retention_days) or not 0 <= retention_days <= _LONGEST_DAYS:
            raise Invalid(f"Data can't be kept for {retention_days:g} days.", "Days are 1 to 36,525; 0 says nothing.")
        made = replace(made, retention_days=retention_days or None)
    if personal is not None:
        made = replace(made, personal=_personal(personal))
    return made


def _words(text: str, what: str, most: int) -> str | None:
    if len(text) > most:
        raise Invalid(f"{what} of a data set may have {most:,} characters, not {len(text):,}.")
    return text.strip() or None


def _personal(text: str) -> PersonalData:
    try:
        return PersonalData(text.strip().lower() or "unknown")
    except ValueError as error:
        raise Invalid(
            f"{plain(text, 40)!r} does not say whether there are data of persons.", "Say yes, no or unknown."
        ) from error
