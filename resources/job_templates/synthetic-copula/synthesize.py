"""Makes rows like those that it is given, by Gaussian copulas: numpy and scipy alone, no GPU, no network.

/in/rows.csv and /in/about.json come in, /out/rows.csv goes out. Each column is turned into normal scores by its ranks,
their correlations are learned, scores are drawn with the same correlations and turned back by each column's own values.
With a label of few classes a copula is learned for each class, so that what differs between classes is kept. Numbers
with many values are drawn between the real ones and rounded as they are; few values, categories and missing cells come
by their shares. A text is told by its number alone: the real ones may name people.
"""

import csv
import datetime as dt
import json
import os
import sys

import numpy as np
from scipy.stats import norm, rankdata

FEW_VALUES = 20  # of numbers with no more distinct values none lies between two of them
MOST_CLASSES = 20
LEAST_OF_CLASS = 50  # rows; a smaller class is learned together with all others
NUMBERS = {"number", "integer", "time"}


class Column:
    """One column of the rows that are learned from: from cells to normal scores, and back."""

    def __init__(self, about, cells):
        self.kind = about["kind"]
        self.decimals = about.get("decimals", 0)
        self.lacks = np.array([cell == "" for cell in cells])
        there = [cell for cell in cells if cell != ""]
        self.is_smooth = self.kind in NUMBERS and len(set(there)) > FEW_VALUES
        self.has_zone = self.kind == "time" and any(has_zone(cell) for cell in there)
        self.has_time = self.kind == "time" and any(len(cell) > 10 for cell in there)
        self.separator = "T" if any("T" in cell for cell in there) else " "
        if self.is_smooth:
            self.values = np.array([self.number(cell) for cell in there])
            self.sorted = np.sort(self.values)
        else:
            self.levels = sorted(set(there), key=self.order)
            places = {level: at for at, level in enumerate(self.levels)}
            self.codes = np.array([places[cell] for cell in there], dtype=int)
            counts = np.bincount(self.codes, minlength=max(1, len(self.levels)))
            self.ends = np.cumsum(counts) / max(1, counts.sum())

    def order(self, cell):
        return (self.number(cell), cell) if self.kind in NUMBERS else (0.0, cell)

    def number(self, cell):
        if self.kind != "time":
            return float(cell)
        found = dt.datetime.fromisoformat(cell)
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()

    def scores(self, draw):
        """Return normal scores, drawn within the share of a value that many rows have; missing cells by chance."""
        n = len(self.lacks)
        places = draw.uniform(size=n)
        if self.kind == "text" or (~self.lacks).sum() == 0:
            return norm.ppf(np.clip(places, 1e-6, 1 - 1e-6))
        if self.is_smooth:
            places[~self.lacks] = (rankdata(self.values) - 0.5) / len(self.values)
        else:
            begins = np.concatenate([[0.0], self.ends[:-1]])
            width = self.ends - begins
            places[~self.lacks] = begins[self.codes] + width[self.codes] * draw.uniform(size=len(self.codes))
        return norm.ppf(np.clip(places, 1e-6, 1 - 1e-6))

    def cells(self, scores, first):
        """Return cells for normal scores."""
        places = norm.cdf(scores)
        if self.kind == "text":
            return [f"t{first + at}" for at in range(len(places))]
        if self.lacks.all():
            return [""] * len(places)
        if not self.is_smooth:
            found = np.searchsorted(self.ends, places, side="left")
            return [self.levels[min(int(at), len(self.levels) - 1)] for at in found]
        marks = (np.arange(len(self.sorted)) + 0.5) / len(self.sorted)
        return [self.written(value) for value in np.interp(places, marks, self.sorted)]

    def written(self, value):
        if self.kind == "time":
            moment = dt.datetime.fromtimestamp(round(float(value)), dt.UTC)
            if not self.has_time:
                return moment.date().isoformat()
            return (
                moment.isoformat(sep=self.separator)
                if self.has_zone
                else moment.replace(tzinfo=None).isoformat(sep=self.separator)
            )
        if self.kind == "integer" or self.decimals == 0:
            return str(round(float(value)))
        return f"{value:.{min(self.decimals, 15)}f}"


def has_zone(cell):
    return dt.datetime.fromisoformat(cell).tzinfo is not None


def drawn(about, rows, n, first, draw):
    """Return n rows learned from rows (lists of cells)."""
    columns = [Column(one, [row[at] for row in rows]) for at, one in enumerate(about)]
    scores = [one.scores(draw) for one in columns]
    lacking = [at for at, one in enumerate(columns) if one.lacks.any() and not one.lacks.all()]
    for at in lacking:  # that a cell is missing goes together with other columns as its value does
        share = columns[at].lacks.mean()
        places = np.where(columns[at].lacks, draw.uniform(0, share, len(rows)), draw.uniform(share, 1, len(rows)))
        scores.append(norm.ppf(np.clip(places, 1e-6, 1 - 1e-6)))
    matrix = np.atleast_2d(np.corrcoef(np.array(scores)))
    values, vectors = np.linalg.eigh(np.nan_to_num(matrix, nan=0.0))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    made = root @ draw.standard_normal((len(scores), n))
    made /= np.maximum(np.sqrt((root**2).sum(axis=1, keepdims=True)), 1e-12)
    found = [one.cells(made[at], first) for at, one in enumerate(columns)]
    for number, at in enumerate(lacking):
        gone = norm.cdf(made[len(columns) + number]) < columns[at].lacks.mean()
        found[at] = ["" if lacks else cell for cell, lacks in zip(found[at], gone)]
    return list(zip(*found))


def groups_of(about, rows, label):
    """Return the rows by class where there is a label of few classes, each with rows enough; else all of them."""
    names = [one["name"] for one in about]
    if label not in names:
        return [rows]
    at = names.index(label)
    classes = {}
    for row in rows:
        classes.setdefault(row[at], []).append(row)
    if not 1 < len(classes) <= MOST_CLASSES or min(map(len, classes.values())) < LEAST_OF_CLASS:
        return [rows]
    return [classes[name] for name in sorted(classes)]


def shares(groups, n):
    """Return how many rows each group gets: by its size, n in all."""
    total = sum(map(len, groups))
    ends = np.round(np.cumsum([len(group) for group in groups]) / total * n).astype(int)
    return np.diff(np.concatenate([[0], ends]))


def main(given, out):
    with open(os.path.join(given, "about.json"), encoding="utf-8") as file:
        about = json.load(file)
    with open(os.path.join(given, "rows.csv"), encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    columns = about["columns"]
    if header != [one["name"] for one in columns]:
        sys.exit("rows.csv and about.json name other columns.")
    draw = np.random.default_rng(about["seed"])
    made = []
    groups = groups_of(columns, rows, about.get("label"))
    for group, n in zip(groups, shares(groups, about["rows"])):
        if n:
            made += drawn(columns, group, int(n), len(made), draw)
    order = draw.permutation(len(made))
    with open(os.path.join(out, "rows.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(made[at] for at in order)
    print(f"made {len(made)} rows of {len(rows)} in {len(groups)} groups")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("/in", "/out")))
