"""What of the house goes into a pack: the audit about a model and no other, exact packages, endpoints that served it."""

import pytest

from mlops_desk.desk.governance.evidence import _is_about, _package
from mlops_desk.records.agent import AuditEntry
from mlops_desk.serving.export.packages import Package


@pytest.mark.parametrize(
    ("arguments", "is_meant"),
    [
        ('{"model": "churn"}', True), ('{"model": "churn/3"}', True), ('{"version": "churn@champion"}', True),
        ('{"model": "churned"}', False), ('{"model": "my-churn"}', False), ('{"model": "churn.eu"}', False),
        ('{"a": "churned churn"}', True), ("{}", False), ('{"model": "churn_2"}', False),
    ],
)  # fmt: skip
def test_a_record_is_about_a_model_whose_name_it_has_as_a_whole(arguments: str, is_meant: bool) -> None:
    assert _is_about(AuditEntry(1.0, 1000, "ana", "models.promote", arguments), "churn") is is_meant


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("scikit-learn==1.8.0", Package("scikit-learn", "1.8.0")),
        ("mlflow[extras]==3.1 ; python_version > '3'", Package("mlflow", "3.1")),
        ("numpy>=1.2", None), ("-e git+https://x", None), ("", None), ("a==1,==2", None),
    ],
)  # fmt: skip
def test_a_package_is_listed_where_one_version_of_it_is_named(line: str, package: Package | None) -> None:
    assert _package(line) == package
