"""Children below their parents."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.trees import in_order_of_tree


def test_children_stand_below_their_parents_and_the_rest_as_given() -> None:
    parents = {9: 1, 5: None, 7: 9, 6: 5, 8: 7, 3: 5}
    assert in_order_of_tree(parents) == [(9, 0), (7, 1), (8, 2), (5, 0), (6, 1), (3, 1)]


@given(st.dictionaries(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 12))))
@example({1: 2, 2: 1})
@example({1: 1})
@example({3: 2, 2: 1, 1: 3, 4: 3})
def test_whatever_the_parents_are_each_is_there_once(parents: dict[int, int | None]) -> None:
    placed = in_order_of_tree(parents)
    assert sorted(key for key, _ in placed) == sorted(parents)
    depth = dict(placed)
    for key, parent in parents.items():
        assert depth[key] == 0 or (parent is not None and depth[key] == depth[parent] + 1)
