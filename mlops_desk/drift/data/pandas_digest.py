"""The worker that finds the file of a digest: ``python -m mlops_desk.drift.data.pandas_digest``, a request on stdin.

MLflow keeps a digest of the table that a training has logged. A file is its source where one of the usual ways to read
it gives that digest again. What was cut, mixed or reckoned before it was logged is not known again.

Request: {"folders": paths, "digest": MLflow's, "schema": that of the data set or null}. Answer: {"path": path or null,
"looked": how many files were read, "left_out": how many were too large or too many}.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from mlops_desk.kit.base.process import limit_memory, serve_one

ENDINGS = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")
MOST_BYTES = 256 << 20  # chosen: pandas takes some ten times as much
MOST_FILES = 200  # chosen: a folder of more is a store of pieces, not a table
MOST_DEPTH = 4  # chosen: deeper lie pictures
MOST_SECONDS = 60.0  # chosen: below the caller's deadline, so that it answers what it has looked at
MOST_MEMORY = 8 << 30  # of address space, which is mapped more than it is used
_MOST_ROWS = 10_000  # mlflow.data.digest_utils.MAX_ROWS
_DIGEST_CHARACTERS = 8  # as get_normalized_md5_digest cuts it
_NUMBERS = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
_INDEX = "__index_level_0__"  # as pandas calls an index without a name in Parquet


def digest_of(frame: pd.DataFrame) -> str:
    """Return the digest that ``mlflow.data.digest_utils.compute_pandas_digest`` gives a table."""
    first = frame.head(_MOST_ROWS)
    texts = first.columns[first.map(type).eq(str).all()]
    numbers = first.select_dtypes(include=[np.number]).columns
    digest = hashlib.md5(usedforsecurity=False)
    digest.update(pd.util.hash_pandas_object(first[texts.union(numbers)]).to_numpy().tobytes())
    digest.update(np.int64(len(frame)).tobytes())
    for name in frame.columns:
        digest.update(str(name).encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def columns_of(schema: str | None) -> dict[str, str]:
    """Return the columns of a data set's schema in their order, each with its type; none where it tells none."""
    try:
        listed = json.loads(schema or "null")["mlflow_colspec"]
        return {str(one["name"]): str(one["type"]) for one in listed}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}


def files_in(folders: Sequence[str]) -> Iterator[Path]:
    """Yield the tables below folders, by name; nothing that lies outside of them, wherever links lead."""
    for folder in folders:
        top = Path(folder).resolve()
        if top.is_file():
            yield from [top] if top.suffix.lower() in ENDINGS else []
            continue
        for place, below, names in os.walk(top):
            here = Path(place)
            below[:] = sorted(name for name in below if not name.startswith("."))
            if len(here.relative_to(top).parts) >= MOST_DEPTH:
                below.clear()
            for name in sorted(names):
                path = here / name
                if path.suffix.lower() in ENDINGS and path.is_file() and not path.is_symlink():
                    yield path


def fits(path: Path, digest: str, schema: dict[str, str]) -> bool:
    """Tell whether one of the usual ways to read a file gives the digest."""
    return any(
        digest_of(laid) == digest for read in _readings(path) for laid in _laid(read, schema) if len(laid.columns)
    )


def _readings(path: Path) -> Iterator[pd.DataFrame]:
    """Yield a file as pandas reads it by itself, and as people often have it read."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        with duckdb.connect() as connection:
            read = connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
        yield read.set_index(_INDEX).rename_axis(None) if _INDEX in read.columns else read
    elif ending in {".csv", ".tsv"}:
        separator = "\t" if ending == ".tsv" else ","
        yield pd.read_csv(path, sep=separator)
        yield pd.read_csv(path, sep=separator, keep_default_na=False)
        yield pd.read_csv(path, sep=separator, index_col=0)
    else:
        yield pd.read_json(path, lines=ending != ".json")


def _laid(read: pd.DataFrame, schema: dict[str, str]) -> Iterator[pd.DataFrame]:
    """Yield a table as it is, then with the columns, their order, their types and the index that the schema tells."""
    yield read
    if not schema or not set(schema) <= set(map(str, read.columns)):
        return
    rest = [name for name in read.columns if str(name) not in schema]
    chosen = read[list(schema)]
    indexed = [read.set_index(rest[0])[list(schema)]] if len(rest) == 1 else []
    for one in (chosen, *indexed):
        yield one
        typed = _typed(one, schema)
        if typed is not None:
            yield typed


def _typed(read: pd.DataFrame, schema: dict[str, str]) -> pd.DataFrame | None:
    """Return a table with the types of a schema; None where it does not have them."""
    made = read.copy()
    try:
        for name, kind in schema.items():
            if kind in _NUMBERS:
                made[name] = made[name].astype(_NUMBERS[kind])
            elif kind == "boolean":
                made[name] = made[name].astype(bool)
            elif kind == "datetime":
                made[name] = pd.to_datetime(made[name])
    except (ValueError, TypeError):
        return None
    return made


def find(folders: Sequence[str], digest: str, schema: str | None) -> dict[str, object]:
    """Return the first file that fits, as the request is answered."""
    columns, looked, left_out = columns_of(schema), 0, 0
    until = time.monotonic() + MOST_SECONDS
    for path in files_in(folders):
        if looked >= MOST_FILES or time.monotonic() > until or path.stat().st_size > MOST_BYTES:
            left_out += 1
            if left_out > MOST_FILES:
                break
            continue
        looked += 1
        try:
            if fits(path, digest, columns):
                return {"path": str(path), "looked": looked, "left_out": left_out}
        except (ValueError, TypeError, OSError, MemoryError, RecursionError, duckdb.Error):
            continue  # it is no table that could be the one
    return {"path": None, "looked": looked, "left_out": left_out}


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return find(request["folders"], request["digest"], request.get("schema"))


if __name__ == "__main__":
    limit_memory(MOST_MEMORY)
    serve_one(answer)
