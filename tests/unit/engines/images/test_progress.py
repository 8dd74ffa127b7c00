"""How far a pull is: nothing is made up, nothing goes backwards, and what is not told stays unknown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.images.progress import PullProgress
from mlops_desk.engines.records.task import ImageTask, LayerProgress, LayerState, TaskKind, TaskState

W, D, V, X, DONE, PRESENT = LayerState
TASK = ImageTask("t", TaskKind.PULL, "a:1", TaskState.RUNNING, 1, "anna", 0.0)

news = st.builds(
    LayerProgress,
    st.sampled_from("abcd"),
    st.sampled_from(list(LayerState)),
    st.none() | st.integers(0, 1000),
    st.none() | st.integers(1, 1000),
)


def told(*all_news: LayerProgress, each: float = 1.0) -> PullProgress:
    progress = PullProgress()
    for number, one in enumerate(all_news):
        progress.hear(one, number * each)
    return progress


def test_nothing_is_known_before_anything_is_told() -> None:
    task = PullProgress().on(TASK, 5.0)
    assert (task.done_bytes, task.total_bytes, task.bytes_per_second, task.eta_seconds) == (None, None, None, None)
    assert (task.layers, task.layers_done, task.layers_count) == ((), 0, 0)


def test_the_total_is_unknown_until_the_size_of_every_layer_to_come_is_told() -> None:
    progress = told(LayerProgress("a", W), LayerProgress("b", W), LayerProgress("a", D, 10, 100))
    assert (progress.done_bytes, progress.total_bytes) == (10, None)
    progress.hear(LayerProgress("b", D, 0, 50), 4.0)
    assert (progress.done_bytes, progress.total_bytes) == (10, 150)


def test_a_layer_that_was_there_is_no_byte_to_come_and_is_counted_as_there() -> None:
    task = told(LayerProgress("a", PRESENT), LayerProgress("b", D, 5, 20)).on(TASK, 2.0)
    assert (task.total_bytes, task.done_bytes, task.layers_done, task.layers_count) == (20, 5, 1, 2)


def test_a_layer_that_came_without_a_word_of_its_size_keeps_no_total_from_being_known() -> None:
    progress = told(LayerProgress("a", W), LayerProgress("a", V), LayerProgress("b", D, 5, 20))
    assert (progress.done_bytes, progress.total_bytes) == (5, 20)
    assert told(LayerProgress("a", W), LayerProgress("a", V)).total_bytes is None


def test_what_is_verified_has_come_in_full() -> None:
    progress = told(LayerProgress("a", D, 60, 100), LayerProgress("a", V))
    assert (progress.done_bytes, progress.missing_bytes) == (100, 0)


def test_a_layer_that_begins_anew_begins_anew() -> None:
    progress = told(LayerProgress("a", D, 60, 100), LayerProgress("a", W))
    assert (progress.done_bytes, progress.total_bytes, progress.missing_bytes) == (0, 100, 100)


def test_speed_is_that_of_the_last_ten_seconds_and_gives_the_time_left() -> None:
    progress = PullProgress()
    for second in range(31):  # 1 byte a second, then 10
        progress.hear(LayerProgress("a", D, second if second < 15 else 15 + (second - 15) * 10, 1000), float(second))
    assert progress.speed(30.0) == pytest.approx(10.0)
    assert progress.on(TASK, 30.0).eta_seconds == pytest.approx((1000 - 165) / 10)


def test_speed_falls_while_nothing_comes() -> None:
    progress = told(LayerProgress("a", D, 0, 1000), LayerProgress("a", D, 100, 1000))
    assert progress.speed(1.0) == 100.0
    assert progress.speed(10.0) == 10.0


def test_one_moment_is_no_speed() -> None:
    assert told(LayerProgress("a", D, 7, 10)).speed(1.0) is None
    assert told(LayerProgress("a", D, 7, 10), LayerProgress("a", D, 8, 10), each=0.9).speed(0.9) is None


def test_layers_beyond_what_an_image_can_have_are_not_believed() -> None:
    progress = told(*(LayerProgress(f"l{number}", W) for number in range(600)))
    assert len(list(progress.layers)) == 500
    progress.hear(LayerProgress("l3", D, 1, 2), 1.0)
    assert progress.done_bytes == 1


@given(st.lists(news, max_size=60))
@example([LayerProgress("a", D, None, 5), LayerProgress("a", D, 3, None)])
@example([LayerProgress("a", DONE), LayerProgress("a", W)])
def test_what_is_told_is_never_more_than_all(all_news: list[LayerProgress]) -> None:
    progress = PullProgress()
    for number, one in enumerate(all_news):
        progress.hear(one, float(number))
        task = progress.on(TASK, float(number))
        assert task.layers_done <= task.layers_count == len(task.layers) == len({layer.id for layer in task.layers})
        assert task.eta_seconds is None or (task.total_bytes is not None and task.eta_seconds == task.eta_seconds)
        assert progress.missing_bytes >= 0
        for layer in task.layers:
            assert layer.done_bytes is None or layer.total_bytes is None or layer.done_bytes <= layer.total_bytes
