"""What may be written as a tag or a description: MLflow's own limits, to the character."""

from collections.abc import Callable

import pytest

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.changes import check_tag, check_text


def checks(*lengths: int) -> list[tuple[Callable[[int], None], int]]:
    key, value, text = lengths
    return [
        (lambda n: check_tag("k" * n, "v"), key),
        (lambda n: check_tag("k", "v" * n), value),
        (lambda n: check_text("t" * n), text),
    ]


@pytest.mark.parametrize(("check", "most"), checks(250, 5000, 5000), ids=["key", "value", "text"])
def test_as_long_as_mlflow_takes_it_and_no_longer(check: Callable[[int], None], most: int) -> None:
    check(most)
    with pytest.raises(Invalid, match=f"{most:,} characters, not {most + 1:,}|1 to {most} characters"):
        check(most + 1)


@pytest.mark.parametrize("key", ["", " ", "mlflow.user"])
def test_what_is_no_name_of_ones_own_is_refused(key: str) -> None:
    with pytest.raises(Invalid):
        check_tag(key, None)


def test_a_tag_is_taken_away_and_a_description_emptied() -> None:
    check_tag("mlflowish", None)
    check_text("")
