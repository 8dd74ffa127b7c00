"""Learning curves: how they are planned, driven through failures, ended, and the law that is put through them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.comparison import Scored
from mlops_desk.automation.records.pipelines.curve import CurveFit, CurveState, LearningCurve, PointState
from mlops_desk.automation.rules.learning_curves import (
    CurveCourse,
    CurveParts,
    cancelled,
    origin_of,
    points_of,
    shares_of,
)
from mlops_desk.drift.model_comparison.curve import fit_curve
from mlops_desk.drift.model_comparison.subset import chosen, take_rows
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import Invalid, Refused, TimedOut, Unavailable
from mlops_desk.registry.records.model import ModelVersion

SIZES = [100, 200, 400, 700, 1000]


class House:
    """Jobs, versions and scores in memory; jobs end as ``ends`` says, one for each."""

    def __init__(self, ends=()):
        self.jobs, self.removed, self.cancelled, self.laid, self.tidied = {}, [], [], [], 0
        self.ends = list(ends)
        self.down = False
        self.hours_of_a_job = 1.0
        self.stored = None
        self.aliases = ()
        self.others = ()  # versions that a run has registered before that of the model
        self.away = Unavailable("The engine is away.")
        self.values = {}
        parts = CurveParts(
            plan=None, lay=self.lay, resubmit=self.resubmit, job_of_origin=self.jobs.get, cancel_job=self.cancelled.append,
            versions_of_training=self.versions_of_training,
            score=self.score, remove=self.removed.append, fit=lambda curve, points: CurveFit(True, f"{len(points)} points"),
            report=lambda curve: "run", hours=lambda job: self.hours_of_a_job, tidy=self.tidy,
        )  # fmt: skip
        self.course = CurveCourse(parts, self.put)

    def put(self, loaded, changed):
        if self.stored is not None and self.stored.revision != loaded.revision:
            return None
        if changed == loaded:
            return loaded
        self.stored = replace(changed, revision=loaded.revision + 1)
        return self.stored

    def lay(self, curve, point):
        self.laid.append((point.share, point.repeat))
        return f"/made/{point.share}"

    def resubmit(self, job, data, origin, over):
        assert (job, list(over)) == ("job-0", ["/data/train.csv"])
        state = self.ends.pop(0) if self.ends else JobState.RUNNING
        made = Job(f"job-{len(self.jobs) + 1}", "t", state, JobSpec("t", "i"), 0.0, 0, "me", mlflow_run_id=f"run-{len(self.jobs)}",
                   reason=Reason("oom_kernel", "out of memory") if state is JobState.FAILED else None)  # fmt: skip
        self.jobs[origin] = made
        return made

    def score(self, curve, version):
        if self.down:
            raise self.away
        return Scored(self.values.get(version.version, 0.9))

    def versions_of_training(self, run, model):
        ours = ModelVersion("digits", run, run, None, "READY", aliases=self.aliases)
        made = [*(ModelVersion(name, number, run, None, "READY") for name, number in self.others), ours]
        return [one for one in made if one.name == model]

    def tidy(self, curve):
        self.tidied += 1


def planned(**more):
    points = points_of((0.25, 0.5, 0.75, 1.0), 1, 1000)
    return replace(
        LearningCurve(
            "abc",
            "digits",
            "3",
            "accuracy",
            True,
            CurveState.RUNNING,
            points,
            1000,
            "job-0",
            "/data/train.csv",
            "/src",
            "/test",
        ),
        **more,
    )


def states(curve):
    return [one.state for one in curve.points]


OK = JobState.SUCCEEDED


def test_one_training_goes_after_the_other_and_what_it_registered_goes_again() -> None:
    house = House([OK, OK, OK, OK])
    done = house.course.go_on(planned())
    assert (done.state, done.text, done.run_id, done.spent) == (CurveState.DONE, "4 points", "run", 4.0)
    assert states(done) == [PointState.SCORED] * 4
    assert [one.version for one in house.removed] == ["run-0", "run-1", "run-2", "run-3"]
    assert house.laid == [(0.25, 1), (0.5, 1), (0.75, 1), (1.0, 1)]
    assert house.tidied == 1


def test_it_waits_for_a_job_and_after_a_kill_finds_it_by_its_origin() -> None:
    house = House()
    waits = house.course.go_on(planned())
    assert states(waits) == [PointState.TRAINING, *[PointState.WAITING] * 3]
    again = house.course.go_on(planned(revision=waits.revision))
    assert len(house.jobs) == 1
    assert again.points[0].job_id == waits.points[0].job_id == "job-1"


def test_a_point_that_fails_is_told_and_the_others_go_on() -> None:
    done = House([OK, JobState.FAILED, OK, OK]).course.go_on(planned())
    assert states(done) == [PointState.SCORED, PointState.FAILED, PointState.SCORED, PointState.SCORED]
    assert done.points[1].text == "Job job-2: out of memory"
    assert done.text == "3 points"


def test_where_nothing_was_scored_it_fails_and_says_why() -> None:
    done = House([JobState.FAILED] * 4).course.go_on(planned())
    assert (done.state, done.text) == (CurveState.FAILED, "No point was scored. Job job-1: out of memory")


def test_no_training_is_begun_once_the_hours_are_spent() -> None:
    done = House([OK] * 4).course.go_on(planned(gpu_hours=2.0))
    assert states(done) == [PointState.SCORED, PointState.SCORED, PointState.LEFT, PointState.LEFT]
    assert done.points[2].text == "The GPU-hours were spent."
    assert done.state is CurveState.DONE


@pytest.mark.parametrize("away", [Unavailable("The engine is away."), TimedOut("The engine is away.")])
def test_an_engine_that_is_away_is_waited_for_and_a_version_with_an_alias_stays(away) -> None:
    house = House([OK] * 4)
    house.down, house.away = True, away
    waits = house.course.go_on(planned())
    assert (waits.state, waits.text) == (CurveState.RUNNING, "Waiting: The engine is away.")
    assert not house.removed, "it is still to be scored"
    house.down, house.aliases = False, ("champion",)
    assert house.course.go_on(waits).state is CurveState.DONE
    assert not house.removed


def test_repeats_are_trainings_of_their_own() -> None:
    curve = planned(points=points_of((0.25, 0.5, 0.75, 1.0), 2, 1000), gpu_hours=8.0)
    done = House([OK] * 8).course.go_on(curve)
    assert [(one.share, one.repeat, one.job_id) for one in done.points] == [
        (0.25, 1, "job-1"), (0.25, 2, "job-2"), (0.5, 1, "job-3"), (0.5, 2, "job-4"),
        (0.75, 1, "job-5"), (0.75, 2, "job-6"), (1.0, 1, "job-7"), (1.0, 2, "job-8"),
    ]  # fmt: skip


def test_a_figure_that_is_not_defined_is_none_of_the_curve() -> None:
    house = House([OK] * 4)
    house.values = {"run-1": None}
    done = house.course.go_on(planned())
    assert (states(done), done.text) == ([PointState.SCORED] * 4, "3 points")


def test_of_what_a_training_registered_the_newest_version_of_the_model_counts_and_others_stay() -> None:
    house = House([OK])
    house.others = (("digits", "early"), ("beside", "1"))
    house.values = {"early": 0.1}
    waits = house.course.go_on(planned())
    assert waits.points[0].value == Scored(0.9)
    assert [(one.name, one.version) for one in house.removed] == [("digits", "early"), ("digits", "run-0")]


def test_a_training_that_was_cancelled_is_not_scored() -> None:
    done = House([OK, JobState.CANCELLED, JobState.UNKNOWN, OK]).course.go_on(planned())
    assert states(done) == [PointState.SCORED, PointState.FAILED, PointState.FAILED, PointState.SCORED]
    assert done.points[1].text == "Job job-2: cancelled"


def test_a_training_under_way_is_ended_by_no_budget() -> None:
    house = House()
    waits = house.course.go_on(planned(gpu_hours=2.0))
    spent = house.course.go_on(replace(waits, spent=2.0))
    assert states(spent)[0] is PointState.TRAINING


def test_a_training_that_ended_in_the_moment_of_a_cancel_has_its_version_removed() -> None:
    house = House()
    waits = house.course.go_on(planned())
    origin = origin_of(waits, waits.points[0])
    house.jobs[origin] = replace(house.jobs[origin], state=OK)
    house.course.end(cancelled(waits, "ada", 5.0))
    assert (house.cancelled, [one.version for one in house.removed]) == ([], ["run-0"])


def test_one_that_is_ended_has_its_job_cancelled_and_ends_once() -> None:
    house = House()
    waits = house.course.go_on(planned())
    ended = cancelled(waits, "ada", 5.0)
    house.course.end(ended)
    assert (ended.state, house.cancelled, house.tidied) == (CurveState.CANCELLED, ["job-1"], 1)
    with pytest.raises(Refused, match="is over: cancelled"):
        cancelled(ended, "ada", 6.0)


def test_what_somebody_has_changed_meanwhile_is_not_written_over() -> None:
    house = House([OK] * 4)
    house.stored = planned(revision=9)
    assert house.course.go_on(planned()) == planned()
    assert house.stored == planned(revision=9)


@pytest.mark.parametrize(
    "text", ["", "0,50", "50,101", "a,b", "10;20", "0,25,50,75,100", ",".join(map(str, range(1, 14)))]
)
def test_shares_that_make_no_curve_are_refused(text) -> None:
    with pytest.raises(Invalid, match="no shares"):
        shares_of(text)


@pytest.mark.parametrize("text", ["10", "0.5,50", "10,50,100", "10,10.0,50,100"])
def test_fewer_shares_than_a_law_can_be_put_through_are_refused_with_why(text) -> None:
    with pytest.raises(Invalid, match="go through any three points, so at least 4 are needed") as told:
        shares_of(text)
    assert "10,20,40,70,100" in told.value.hint


def test_shares_that_are_the_same_rows_are_refused_as_too_few() -> None:
    points_of((0.1, 0.5, 0.75, 1.0), 1, 200)
    with pytest.raises(Invalid, match="Of 200 rows these shares are only 3 different numbers of rows"):
        points_of((0.1, 0.5, 0.501, 1.0), 3, 200)


def test_shares_are_percent_in_any_order_and_too_few_rows_are_refused() -> None:
    assert shares_of("100, 10%,40,70") == (0.1, 0.4, 0.7, 1.0)
    with pytest.raises(Invalid, match="10% of 190 rows are 19, and 20 are needed"):
        points_of((0.1, 1.0), 1, 190)
    rows = [one.rows for one in points_of((0.1, 0.2, 0.5, 1.0), 2, 200)]
    assert rows == [20, 20, 40, 40, 100, 100, 200, 200]
    for repeats in (0, 11):
        with pytest.raises(Invalid, match="repeats"):
            points_of((0.1, 0.2, 0.5, 1.0), repeats, 1000)
    curve = planned()
    assert origin_of(curve, curve.points[0]) == "curve:abc/0.25/1"


# -- the law ---------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.floats(0.02, 0.2), st.floats(0.5, 3.0), st.floats(0.25, 0.7), st.booleans())
def test_a_curve_that_is_a_power_law_is_found_again(floor, scale, exponent, higher) -> None:
    errors = [floor + scale * n**-exponent for n in SIZES]
    found = fit_curve(SIZES, [1 - one if higher else one for one in errors], 1000, "m", higher=higher)
    wanted = floor + scale * 2000**-exponent
    assert found.is_known
    assert found.doubled.value == pytest.approx(1 - wanted if higher else wanted, abs=2e-3)
    assert found.gain.value == pytest.approx(scale * (1000**-exponent - 2000**-exponent), abs=2e-3)


@pytest.mark.slow
def test_what_a_curve_says_depends_on_how_sure_it_is() -> None:
    sizes = [n for n in SIZES for _ in range(3)]
    hits = 0
    for seed in range(6):
        draw = np.random.default_rng(seed)
        steep = [1 - (0.05 + 2 * n**-0.5) + draw.normal(0, 0.002) for n in sizes]
        found = fit_curve(sizes, steep, 1000, "accuracy", higher=True)
        hits += found.gain.low < 0.018524 < found.gain.high
    assert hits >= 4, "intervals of 95 % hold what is so, but for one or two of six"
    assert found.sentence.startswith("Twice as many rows (2,000) would make accuracy about 0.9")
    assert "may be nothing" not in found.sentence
    flat = [0.9 + draw.normal(0, 0.01) for _ in sizes]
    assert fit_curve(sizes, flat, 1000, "accuracy", higher=True).sentence.endswith(
        "by these trainings that may be nothing."
    )
    few = fit_curve([100, 200, 400], [0.5, 0.6, 0.7], 400, "accuracy", higher=True)
    assert (few.is_known, few.gain) == (False, None)
    assert few.sentence == "Not enough is known: 3 sizes were scored, and 4 are needed for a curve."


# -- the rows --------------------------------------------------------------------------------------


@given(st.integers(1, 200), st.integers(0, 9), st.data())
def test_the_rows_of_fewer_are_among_those_of_more(of, seed, data) -> None:
    few, many = sorted((data.draw(st.integers(0, of)), data.draw(st.integers(0, of))))
    assert set(chosen(of, few, seed)) <= set(chosen(of, many, seed))
    assert chosen(of, of, seed) == list(range(of))


def test_parts_of_files_keep_their_kind(tmp_path) -> None:
    import duckdb

    csv = tmp_path / "a.csv"
    csv.write_text("n;t\n" + "".join(f'{at};"a;{at}"\n' for at in range(50)))
    out = tmp_path / "b.csv"
    assert take_rows(csv, 20, 1, out, None) == 50
    lines = out.read_text().splitlines()
    assert (lines[0], len(lines)) == ("n;t", 21)
    assert [int(line.split(";")[0]) for line in lines[1:]] == chosen(50, 20, 1)
    parquet, part = tmp_path / "a.parquet", tmp_path / "b.parquet"
    duckdb.execute(f"COPY (SELECT range::SMALLINT n FROM range(50)) TO '{parquet}' (FORMAT parquet)")
    assert take_rows(parquet, 20, 1, part, None) == 50
    assert [n for (n,) in duckdb.execute(f"SELECT n FROM '{part}'").fetchall()] == chosen(50, 20, 1)
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    with pytest.raises(Invalid, match="Parquet and CSV alone"):
        take_rows(tmp_path / "a.jsonl", 1, 1, out, None)
