"""Where the boxes of a graph stand, for any graph and any width."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.window.graph import places


@st.composite
def graphs(draw):
    count = draw(st.integers(0, 14))
    return [draw(st.lists(st.integers(0, max(number - 1, 0)), max_size=3 if number else 0)) for number in range(count)]


@given(graphs(), st.integers(0, 12))
@example([[]], 0)
@example([[], [0], [1]], 2)
@example([[], [], [0, 1]], 2)
def test_no_two_boxes_stand_in_one_place_and_each_stands_right_of_its_needs_where_there_is_room(needs, most):
    found = places(needs, most)
    assert len(set(found.spots)) == len(needs)
    assert all(0 <= row < found.rows and 0 <= column < found.across for row, column in found.spots)
    assert found.across <= max(most, 1)
    if found.is_layered:
        assert all(found.spots[one][1] < found.spots[place][1] for place, mine in enumerate(needs) for one in mine)
    else:
        assert list(found.spots) == sorted(found.spots)
