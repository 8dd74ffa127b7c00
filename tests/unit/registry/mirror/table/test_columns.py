"""A column of the table of runs, when runs go and those that stay move up."""

import numpy as np

from mlops_desk.registry.mirror.table.runs import NumberColumn, TextColumn


def rows(*places: int) -> np.ndarray:
    return np.array(places, np.int32)


def test_the_numbers_of_runs_that_stay_move_up_with_them_the_first_too() -> None:
    column = NumberColumn()
    column.add(rows(0, 1, 3), np.array([0.5, 0.25, 0.125]))
    kept = column.kept(rows(0, -1, 1, 2))
    assert kept.rows.tolist() == [0, 2]
    assert kept.values.tolist() == [0.5, 0.125]
    assert kept.places(rows(0, 1, 2)).tolist() == [0, -1, 1]


def test_the_texts_of_runs_that_stay_move_up_with_them_the_first_too() -> None:
    column = TextColumn()
    column.add(rows(0, 1, 3), ["adam", "sgd", "adam"])
    kept = column.kept(rows(0, -1, 1, 2))
    assert kept.rows.tolist() == [0, 2]
    assert [kept.words[code] for code in kept.codes] == ["adam", "adam"]
