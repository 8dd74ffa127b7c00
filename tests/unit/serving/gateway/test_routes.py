"""The split of traffic is the weights', whatever they sum to, among what is up."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base import wire
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.gateway.routes import EndpointRoutes, Route, RoutingTable, Split, sticky_point

weights = st.floats(0, 100, allow_nan=False)
routes = st.lists(
    st.tuples(weights, st.booleans()).map(lambda t: (t[0], ("10.0.0.1:8080",) if t[1] else ())), max_size=6
).map(lambda pairs: [Route(number, weight, up) for number, (weight, up) in enumerate(pairs, 1)])


@given(routes, st.floats(0, 1, exclude_max=True))
def test_only_what_is_up_is_chosen(table: list[Route], point: float) -> None:
    chosen = Split(table).at(point)
    up = [route for route in table if route.addresses]
    assert (chosen is None) == (not up)
    if chosen is not None:
        assert chosen.addresses
        assert chosen.weight > 0 or all(route.weight <= 0 for route in up)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_shares_are_the_weights(parts: list[int]) -> None:
    table = [Route(number, float(part), ("a:1",)) for number, part in enumerate(parts)]
    steps = 1000 * sum(parts)
    split = Split(table)
    counted = Counter(split.at(step / steps).revision for step in range(0, steps, 100))
    for number, part in enumerate(parts):
        assert abs(counted[number] - 10 * part) <= 1


def test_where_all_that_are_up_have_no_weight_they_share_evenly_and_else_none_gets_a_request() -> None:
    split = Split([Route(1, 0.0, ("a:1",)), Route(2, 0.0, ("b:1",)), Route(3, 5.0, ())])
    assert [split.at(point).revision for point in (0.0, 0.49, 0.5, 0.99)] == [1, 1, 2, 2]
    split = Split([Route(1, 0.0, ("a:1",)), Route(2, 5.0, ("b:1",)), Route(3, 0.0, ("c:1",))])
    assert {split.at(point).revision for point in (0.0, 0.5, 1.0 - 1e-16)} == {2}


@given(st.text(), st.text())
def test_a_key_stays_where_it_is(first: str, second: str) -> None:
    assert 0.0 <= sticky_point(first) < 1.0
    assert sticky_point(first) == sticky_point(first)
    assert (sticky_point(first) == sticky_point(second)) == (first == second)


def test_the_same_key_has_the_same_point_in_every_version_of_the_program() -> None:
    assert sticky_point("ann") == 0x49915E0D7D4B / 2**48
    assert sticky_point("") == 0xE3B0C44298FC / 2**48
    assert sticky_point("\udcff") == 0xA8100AE6AA19 / 2**48, "a header's bytes need be no text"


def test_keys_are_spread_over_all_of_the_line() -> None:
    points = [sticky_point(f"caller-{number}") for number in range(2000)]
    counted = Counter(int(point * 10) for point in points)
    assert sorted(counted) == list(range(10))
    assert all(150 < count < 250 for count in counted.values())


def test_the_table_survives_the_way_to_the_gateway() -> None:
    route = Route(3, 0.5, ("10.0.0.1:8080",), (LoggedFeature("a.x", "number"), LoggedFeature("größe", "text")))
    table = RoutingTable(7, {"digits": EndpointRoutes((route,), "/log", "x-key")})
    assert wire.loads(wire.dumps(table), RoutingTable) == table
