"""What the window knows: announcements, answers that are older than they, silence."""

from doubles import Double, job_record, some_endpoints
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.desk.window import catalogue
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.curves.points import reduced, runs_of
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.recent_tracks import tile_keys
from mlops_desk.kit.window.live.store import Store, Topic, devices_of
from mlops_desk.machine.records import event as events
from mlops_desk.registry.records.model import Registry


def test_what_was_announced_while_asking_is_newer_than_the_answer():
    store = Store(catalogue.loaded)
    queued, running = job_record("a", "x", JobState.QUEUED), job_record("a", "x", JobState.RUNNING)
    store.asked(Topic.JOBS)
    announcements.apply(store, events.JobChanged(running))
    announcements.answered(store, Topic.JOBS, {"a": queued})
    assert store.jobs.value["a"].state is JobState.RUNNING


def test_an_equal_record_changes_nothing_and_an_unknown_one_is_added():
    store = Store(catalogue.loaded)
    announcements.answered(store, Topic.JOBS, {})
    job = job_record("a", "x", JobState.QUEUED)
    assert announcements.apply(store, events.JobChanged(job)) == {Topic.JOBS}
    assert announcements.apply(store, events.JobChanged(job)) == frozenset()


def test_a_new_job_comes_first_and_a_known_one_stays_where_it_is():
    store = Store(catalogue.loaded)
    old = {key: job_record(key, "x", JobState.QUEUED) for key in "ba"}
    announcements.answered(store, Topic.JOBS, dict(old))
    announcements.apply(store, events.JobChanged(job_record("c", "x", JobState.QUEUED)))
    announcements.apply(store, events.JobChanged(job_record("a", "x", JobState.RUNNING)))
    assert list(store.jobs.value) == ["c", "b", "a"]


def test_how_far_a_job_is_is_kept_while_it_runs_and_never_makes_a_job_of_nothing():
    store = Store(catalogue.loaded)
    running, over = job_record("a", "x", JobState.RUNNING), job_record("b", "x", JobState.SUCCEEDED)
    announcements.answered(store, Topic.JOBS, {"a": running, "b": over})
    for job_id in ("a", "b", "c"):
        announcements.apply(store, events.JobMoved(job_id, Progress("epoch 3/10", 1.0, 0.25), live=LiveUse(1.0, 3.5)))
    assert list(store.jobs.value) == ["a", "b"]
    assert store.jobs.value["a"].progress == Progress("epoch 3/10", 1.0, 0.25)
    assert store.jobs.value["a"].live == LiveUse(1.0, 3.5)
    assert store.jobs.value["b"].progress is None


def test_a_removed_endpoint_is_gone():
    store = Store(catalogue.loaded)
    endpoint = some_endpoints()[0]
    announcements.answered(store, Topic.ENDPOINTS, {endpoint.name: endpoint})
    assert announcements.apply(store, events.EndpointRemoved(endpoint.name)) == {Topic.ENDPOINTS}
    assert store.endpoints.value == {}


def test_silence_makes_it_stale_and_a_sign_of_life_true_again():
    store = Store(catalogue.loaded)
    assert store.heard(100.0)
    assert store.is_true_now
    assert not store.check_stale(102.9)
    assert store.check_stale(103.1)
    assert not store.is_true_now
    assert not store.check_stale(104.0)
    assert store.heard(105.0)
    assert store.is_true_now


def test_a_lost_agent_is_told_once_with_the_time_of_the_first_silence():
    store = Store(catalogue.loaded)
    store.heard(1.0)
    store.check_stale(9.0)
    since = store.connection.stale_since
    assert store.lost(DeskError("gone"))
    assert store.connection.since == since
    assert not store.lost(DeskError("still gone"))


def test_a_refused_question_keeps_what_was_known_and_goes_on_listening():
    store = Store(catalogue.loaded)
    announcements.answered(store, Topic.JOBS, {"a": job_record("a", "x", JobState.QUEUED)})
    store.asked(Topic.JOBS)
    store.refused(Topic.JOBS, DeskError("no answer"))
    assert not store.jobs.loading
    assert store.jobs.error is not None
    announcements.apply(store, events.JobChanged(job_record("a", "x", JobState.RUNNING)))
    assert store.jobs.value["a"].state is JobState.RUNNING
    assert store.jobs.meanwhile == [], "nobody waits for an answer that these would be newer than"


def test_a_sample_that_is_told_again_adds_nothing_to_a_curve():
    store, sample = Store(catalogue.loaded), Double().sample(1000.0)
    for _ in range(2):
        announcements.apply(store, events.Sampled(sample))
    assert [at for at, _ in store.curve("host", "system.cpu.utilization", 60.0)] == [1000.0]


def test_another_registry_does_not_take_the_place_of_the_desks_own():
    store = Store(catalogue.loaded)
    announcements.apply(store, events.RegistryChanged(Registry("running", "http://127.0.0.1:5000")))
    announcements.apply(store, events.RegistryChanged(Registry("stopped"), uri="sqlite:////x.db"))
    assert store.registry.value.state == "running"


def test_an_unread_change_gives_way_to_the_newest_of_the_same_thing():
    endpoint = some_endpoints()[0]
    changed, removed = events.EndpointChanged(endpoint), events.EndpointRemoved(endpoint.name)
    assert changed.key == removed.key
    assert changed.key != events.EndpointRemoved("another").key
    assert events.Notice("alert", "x", "each counts").key is None


def test_what_the_agent_remembers_is_put_before_what_was_heard_since():
    double, store = Double(), Store(catalogue.loaded)
    sample = double.sample(1000.0)
    announcements.apply(store, events.Sampled(sample))
    keys = tile_keys(devices_of(sample))
    assert len(keys) < 100
    store.recent.take_curves(double.curves(["\t".join(key) for key in keys], 940.0, 999.0, 59))
    curve = store.curve(sample.gpus[0].uuid, "hw.gpu.utilization", 60.0)
    times = [at for at, _ in curve]
    assert times == sorted(times)
    assert len(times) == 60
    assert times[-1] == 1000.0


def test_only_what_tiles_show_is_kept_and_not_for_long():
    store, double = Store(catalogue.loaded), Double()
    for second in range(300):
        announcements.apply(store, events.Sampled(double.sample(1000.0 + second)))
    uuid = store.status.gpus[0].uuid
    assert store.curve(uuid, "hw.temperature", 300.0) == []
    assert 100 < len(store.curve(uuid, "hw.power", 300.0)) < 200


def test_a_missing_value_is_a_gap_never_a_zero():
    store = Store(catalogue.loaded)
    announcements.apply(store, events.Sampled(Double().sample(1000.0)))
    lost = next(gpu for gpu in store.status.gpus if gpu.state == "lost")
    assert store.curve(lost.uuid, "hw.gpu.utilization", 60.0) == [(1000.0, None)]


points = st.lists(
    st.tuples(st.floats(0, 1e4, allow_nan=False), st.one_of(st.none(), st.floats(0, 1, allow_nan=False))), max_size=400
)


@given(points, st.integers(1, 300))
@example([(float(second), 0.0 if second == 5 else 1.0) for second in range(10)], 1)
def test_a_curve_has_at_most_two_points_for_each_pixel_and_keeps_its_extremes(raw, width):
    ordered = sorted(raw, key=lambda point: point[0])
    for run in runs_of(ordered):
        seconds = max(run[-1][0] - run[0][0], 1e-6)
        kept = reduced(run, seconds, width)
        assert len(kept) <= max(2 * (width + 2), 2)
        assert set(kept) <= set(run)
        assert max(value for _, value in kept) == max(value for _, value in run)
        assert min(value for _, value in kept) == min(value for _, value in run)


@given(points)
def test_runs_hold_every_value_once_and_no_missing_one(raw):
    ordered = sorted(raw, key=lambda point: point[0])
    assert [point for run in runs_of(ordered) for point in run] == [point for point in ordered if point[1] is not None]


def test_a_curve_is_broken_where_samples_are_missing_and_where_a_value_is_no_number():
    steady = [(float(at), 1.0) for at in range(5)]
    assert runs_of([*steady, (20.0, 2.0), (21.0, 2.0)]) == [steady, [(20.0, 2.0), (21.0, 2.0)]]
    late = [*steady, (6.5, 2.0)]
    assert runs_of(late) == [late], "a little late is no gap"
    assert runs_of([(0.0, 1.0), (1.0, float("nan")), (2.0, 3.0)]) == [[(0.0, 1.0)], [(2.0, 3.0)]]
