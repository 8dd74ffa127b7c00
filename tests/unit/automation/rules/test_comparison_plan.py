"""What a rule that retrains names is looked at when it is made: what can be compared, and whose files are read for it."""

import os
from pathlib import Path

import pytest

from mlops_desk.automation.records.actions import RetrainAction
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.rules.comparison_plan import check_retraining, is_own
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, Refused

OTHER_UID = 54_321


@pytest.fixture
def rows(tmp_path: Path) -> str:
    file = tmp_path / "rows.csv"
    file.write_text("x,y\n1,0\n")
    return str(file)


def asked_by(uid: int, action: RetrainAction) -> None:
    set_caller(Caller(uid, uid, 1))
    try:
        check_retraining(action)
    finally:
        set_caller(Caller(os.getuid(), os.getgid(), 1))


@pytest.mark.parametrize("member", ["test", "newest"])
def test_the_agent_reads_labelled_rows_for_its_own_user_alone(rows: str, member: str) -> None:
    action = RetrainAction("churn", "accuracy", plan=EvaluationPlan(**{member: rows}))
    asked_by(os.getuid(), action)
    with pytest.raises(Refused, match="an agent of one's own only"):
        asked_by(OTHER_UID, action)


@pytest.mark.parametrize("path", ["rows.csv", "/nonexistent/rows.csv"])
def test_a_file_that_is_not_there_is_told(path: str) -> None:
    with pytest.raises(Invalid, match="rows"):
        asked_by(os.getuid(), RetrainAction("churn", "accuracy", plan=EvaluationPlan(test=path)))


def test_a_metric_that_no_run_has_or_that_is_better_the_other_way_is_told() -> None:
    with pytest.raises(Invalid, match="can't be scored by 'val_loss'"):
        asked_by(os.getuid(), RetrainAction("churn", "val_loss"))
    with pytest.raises(Invalid, match="better the lower"):
        asked_by(os.getuid(), RetrainAction("churn", "rmse"))
    asked_by(os.getuid(), RetrainAction("churn", "rmse", higher_is_better=False))


def test_whose_files_are_read() -> None:
    assert [is_own(uid) for uid in (None, 0, os.getuid(), OTHER_UID)] == [True, True, True, False]
