"""What is said where a name means nothing."""

import pytest

from mlops_desk.registry.name_suggestions import nearest


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["digits", "iris"], "Did you mean digits?"),
        (["a", "b"], "Its experiments are a, b."),
        (["a", "b", "c", "d"], "Its experiments are a, b, c, …."),
        ([], "This registry holds no experiments yet."),
        (["\u202edigit"], "Did you mean \\u202edigit?"),
    ],
)
def test_what_comes_closest_is_named_or_what_there_is(names: list[str], said: str) -> None:
    assert nearest("digit", names, "experiments") == said
