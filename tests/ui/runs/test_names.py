"""Names on their way to the agent: whatever a person called an experiment, a metric or a parameter."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.mirror.column import read_column, split_experiments, split_names
from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.names import ColumnName
from mlops_desk.registry.window.runs.query import RunQuestion

any_name = st.text(st.one_of(st.sampled_from("a,`:\"' .="), st.characters()), min_size=1, max_size=12)
keys = any_name.filter(lambda key: key.strip() != "")


@given(st.lists(any_name, max_size=5))
@example(["sweep, of trees", "a`tick, and comma", "`whole`", "`", "``", " padded ", ","])
def test_an_experiment_of_any_name_is_asked_for_by_that_name(experiments):
    words = RunQuestion(experiments=tuple(experiments)).experiment_words()
    assert split_experiments(words) == experiments


def test_names_without_anything_odd_are_sent_as_people_type_them():
    assert RunQuestion(experiments=("churn", "digits sweep")).experiment_words() == "churn,digits sweep"


columns = st.one_of(
    st.builds(ColumnName, st.sampled_from([names.PARAMS, names.TAGS]), keys),
    st.builds(ColumnName, st.just(names.METRICS), keys, st.sampled_from(["last", "min", "max", "first"])),
    st.builds(ColumnName, st.just(names.METRICS), keys, st.just("step"), st.integers(-(10**9), 10**9)),
)


@given(st.lists(columns, max_size=4))
@example([ColumnName(names.METRICS, "a:min"), ColumnName(names.PARAMS, "x,y"), ColumnName(names.METRICS, "a`b", "max")])
def test_a_column_of_any_name_is_read_by_the_agent_and_here_as_it_was_meant(shown):
    told = split_names(",".join(map(str, shown)))
    read = [read_column(name) for name in told]
    assert [(one.kind, one.key, one.which.value, one.step) for one in read] == [
        (one.kind, one.key, one.which, one.step) for one in shown
    ]
    assert [names.read(name) for name in told] == shown
