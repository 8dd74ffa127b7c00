"""Random filters and orders of runs, as people and programs write them; some of them wrong."""

import random
from collections.abc import Sequence

_NUMBERS = ["0", "1", "0.5", "-1", "1e308", "-1e-3", ".5", "0.9", "1700000000000", "1e400", "5", "0x10", "1_0"]
_TEXTS = [
    "a",
    "A",
    "0.1",
    "",
    "%",
    "%a%",
    "_",
    "a_",
    "adam",
    "FINISHED",
    "%e%",
    "ä",
    "train",
    "it''s",
    "run%",
    "x y",
    "nobody",
]
_MARKS = {"=", "!=", ">", "<", ">=", "<="}
_WRONG = ["==", "<>", "LIKEE", "", "~", "IS", "NOT LIKE", "RLIKE"]


class Queries:
    """Made from the names that a store has; the same for the same seed.

    ``texts`` and ``numbers`` are some that the store has too: asked for in three of four conditions.
    """

    def __init__(
        self,
        seed: int,
        metrics: Sequence[str],
        params: Sequence[str],
        tags: Sequence[str],
        texts: Sequence[str] = (),
        numbers: Sequence[str] = (),
    ) -> None:
        self._dice = random.Random(seed)
        self._texts, self._numbers = texts, numbers
        self._names = {"metrics": [*metrics, "none"], "params": [*params, "none"], "tags": [*tags, "none"]}
        self._attributes = [
            "run_id",
            "run_name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "artifact_uri",
            "created",
        ]

    def filter(self) -> str:
        """Return a filter of up to three conditions."""
        dice = self._dice
        parts = [self._condition() for _ in range(dice.choice([0, 1, 1, 1, 2, 2, 3]))]
        joined = dice.choice([" and ", " AND ", "  AND\n", " And "]).join(parts)
        if dice.random() < 0.04:
            joined = dice.choice([joined + " OR status = 'x'", f"({joined})", joined + ";", joined + " AND", "NOT " + joined, joined + " -- x", joined[:-1], joined.replace(" ", "  ")])  # fmt: skip
        return joined

    def order(self) -> list[tuple[str, bool]]:
        """Return up to three columns to sort by, each with whether it descends."""
        dice, keys = self._dice, []
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            kind = dice.choice(["metrics", "metrics", "params", "tags", "attributes"])
            if kind == "attributes":
                name = dice.choice(["start_time", "end_time", "status", "artifact_uri", "run_id", "run_name"])
                key = name if dice.random() < 0.5 else f"attributes.{name}"
            else:
                key = f"{kind}.`{dice.choice(self._names[kind])}`"
            if all(key.rpartition(".")[2] != one[0].rpartition(".")[2] for one in keys):
                keys.append((key, dice.random() < 0.5))
        return keys

    def _condition(self) -> str:
        dice = self._dice
        kind = dice.choice(["metrics", "metrics", "params", "params", "tags", "attributes", "attributes", "datasets"])
        column, is_number = self._column(kind)
        roll = dice.random()
        if (roll < 0.06 and kind in {"params", "tags"}) or roll < 0.01:
            return f"{column} {dice.choice(['IS NULL', 'IS NOT NULL', 'is null', 'is  not null'])}"
        if (roll < 0.14 and (kind == "datasets" or column.endswith("run_id"))) or roll < 0.02:
            values = ", ".join(f"'{dice.choice(_TEXTS[:6])}'" for _ in range(dice.choice([0, 1, 2])))
            return f"{column} {dice.choice(['IN', 'NOT IN', 'in'])} ({values})"
        if dice.random() < 0.04:
            mark = dice.choice(_WRONG)
        elif is_number:
            mark = dice.choice(sorted(_MARKS))
        else:
            mark = dice.choice(["=", "!=", "LIKE", "ILIKE", "like", "iLike", *([">"] if dice.random() < 0.05 else [])])
        is_right = dice.random() < 0.95
        value = self._number() if is_number is is_right else self._quoted()
        if dice.random() < 0.05:
            value = dice.choice([*_NUMBERS, "abc", "'a", "`a`", "(1)", "null", "a.b", "-", "'a' 'b'"])
        space = dice.choice([" ", " ", ""]) if mark in _MARKS else " "
        return f"{column}{space}{mark}{space}{value}"

    def _number(self) -> str:
        return self._dice.choice(self._numbers if self._numbers and self._dice.random() < 0.75 else _NUMBERS)

    def _quoted(self) -> str:
        text = self._dice.choice(self._texts if self._texts and self._dice.random() < 0.75 else _TEXTS)
        return f'"{text}"' if self._dice.random() < 0.3 else f"'{text}'"

    def _column(self, kind: str) -> tuple[str, bool]:
        """Return a column as it may be written, and whether it holds numbers."""
        dice = self._dice
        if kind == "datasets":
            return f"{dice.choice(['dataset', 'datasets'])}.{dice.choice(['name', 'digest', 'context', 'schema' if dice.random() < 0.1 else 'name'])}", False  # fmt: skip
        if kind == "attributes":
            name = dice.choice([*self._attributes, *(["duration"] if dice.random() < 0.1 else [])])
            head = dice.choice(["", "attributes.", "attribute.", "run.", "attr."])
            return f"{head}{name}", name in {"start_time", "end_time", "created"}
        name = dice.choice(self._names[kind])
        heads = {"metrics": ["metrics", "metric"], "params": ["params", "param", "parameters", "parameter"], "tags": ["tags", "tag", "`tags`"]}  # fmt: skip
        quote = dice.choice(["`", "`", '"', ""])
        return f"{dice.choice(heads[kind])}.{quote}{name}{quote}", kind == "metrics"
