"""What was champion on a day, and which version an alias is put back to."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.aliases.alias_operations import before, stood_at
from mlops_desk.registry.records.alias_move import AliasMove


def move(source, target, at=0.0, *, back=False, who="anna", since=None):
    return AliasMove("m", "champion", at, source, target, who, since, is_back=back)


def trail(*targets):
    """Return moves that bring an alias from one version to the next; ``<2``: put back to 2."""
    found, at = [], None
    for number, target in enumerate(targets):
        version = None if target is None else target.removeprefix("<")
        found.append(move(at, version, float(number), back=bool(target) and target.startswith("<")))
        at = version
    return found


def test_the_way_back_leads_to_the_version_before():
    assert before(trail("1", "2", "3"), "3", {"1", "2", "3"}).version == "2"


def test_whoever_goes_back_twice_goes_back_further():
    assert before(trail("1", "2", "3", "<2"), "2", {"1", "2", "3"}).version == "1"
    assert before(trail("1", "2", "3", "<2", "<1"), "1", {"1", "2", "3"}).version is None


def test_a_promotion_of_an_older_version_is_no_way_back():
    assert before(trail("1", "2", "1"), "1", {"1", "2"}).version == "2"


def test_deleted_versions_are_skipped_and_named():
    found = before(trail("1", "2", "3"), "3", {"1", "3"})
    assert (found.version, found.gone) == ("1", ("2",))
    found = before(trail("1", "2", "3"), "3", {"3"})
    assert (found.version, found.gone) == (None, ("2", "1"))


def test_there_is_no_way_back_from_the_first_version_or_from_nothing():
    assert before([], None, {"1"}).version is None
    assert before([], "1", {"1", "2"}).version is None
    assert before(trail("1"), "1", {"1", "2"}).version is None


def test_an_alias_that_was_taken_away_is_put_back_to_where_it_was():
    assert before(trail("1", "2", None), None, {"1", "2"}).version == "2"


def test_a_move_that_nobody_saw_is_on_the_way_too():
    moves = [move(None, "1"), move("2", "3")]
    assert before(moves, "3", {"1", "2", "3"}).version == "2"
    assert before([move("7", "8")], "8", {"7", "8"}).version == "7"


def test_an_alias_that_stands_where_the_journal_has_not_seen_it_goes_back_to_what_it_has_seen():
    assert before(trail("1", "2"), "5", {"1", "2", "5"}).version == "2"


VERSIONS = st.sampled_from(["1", "2", "3", "4"])


@given(st.lists(VERSIONS, min_size=1, max_size=12), st.sets(VERSIONS))
@example(["1", "1"], {"1"})
@example(["1", "2", "1", "2"], {"1", "2"})
def test_the_way_back_is_there_was_there_before_and_is_another(targets, there):
    moves = trail(*targets)
    now = targets[-1]
    found = before(moves, now, there)
    assert found.version != now
    assert found.version is None or (found.version in there and found.version in targets)
    assert not there & set(found.gone)
    assert (found.version is None) == (not (set(targets) - {now}) & there)


@given(st.lists(VERSIONS, min_size=1, max_size=10, unique=True))
def test_going_back_again_and_again_visits_all_versions_in_turn_and_ends(targets):
    moves, visited = trail(*targets), [targets[-1]]
    while (found := before(moves, visited[-1], set(targets)).version) is not None:
        moves.append(move(visited[-1], found, back=True))
        visited.append(found)
    assert visited == targets[::-1]


def test_where_it_stood_at_a_time():
    moves = [move(None, "1", 10.0), move("1", "2", 20.0), move("2", None, 30.0)]
    assert stood_at(moves, 9.9) == []
    assert [one.to_version for one in stood_at(moves, 10.0)] == ["1"]
    assert [one.to_version for one in stood_at(moves, 29.9)] == ["2"]
    assert [one.to_version for one in stood_at(moves, 99.0)] == [None]


def test_a_move_that_may_have_been_made_already_is_told_too():
    moves = [move(None, "1", 10.0), move("1", "2", 30.0, who=None, since=20.0)]
    assert [one.to_version for one in stood_at(moves, 15.0)] == ["1"]
    assert [one.to_version for one in stood_at(moves, 25.0)] == ["1", "2"]
    assert [one.to_version for one in stood_at(moves, 30.0)] == ["2"]


def test_how_it_stood_at_the_first_look_may_have_held_at_any_time_before():
    moves = [move(None, "1", 10.0, who=None, since=None)]
    assert [one.to_version for one in stood_at(moves, 3.0)] == ["1"]


def test_what_we_did_ourselves_was_not_done_before():
    assert stood_at([move(None, "1", 10.0)], 3.0) == []


def test_the_order_of_moves_counts_where_the_clock_was_set_back():
    moves = [move(None, "1", 100.0), move("1", "2", 50.0)]
    assert [one.to_version for one in stood_at(moves, 120.0)] == ["2"]
