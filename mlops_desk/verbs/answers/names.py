"""The names that answers are declared by: ``-> "Job"``. The record is loaded once an answer is to be read.

A command asks by words alone. The records of its service would take it longer to load than the agent takes to answer,
and a program that prints JSON needs none.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

WHERE: dict[str, str] = {
    "Absence": "incident",
    "AgentInfo": "agent",
    "Alert": "alert",
    "AlertRule": "alert",
    "AliasMove": "registry.alias_move",
    "AliasPreview": "registry.alias_move",
    "Artifact": "model",
    "ArtifactView": "registry.artifact_view",
    "AuditEntry": "agent",
    "CapsuleImport": "jobs.capsule",
    "Check": "agent",
    "CleanUpDone": "registry.clean_up",
    "CleanUpPreview": "registry.clean_up",
    "ClearedCopies": "jobs.staging",
    "CodeDifference": "registry.comparison",
    "ComparedValue": "registry.comparison",
    "Curves": "history",
    "DatasetInput": "model",
    "DeployedEndpoint": "serving.access",
    "Difference": "jobs.capsule",
    "Downloaded": "registry.artifact_view",
    "DriftBrief": "drift",
    "DriftReport": "drift",
    "DryRun": "jobs.place",
    "Endpoint": "serving.endpoint",
    "Experiment": "model",
    "Explanation": "jobs.place",
    "Exported": "jobs.capsule",
    "ExportedEndpoint": "serving.export",
    "FeedbackTaken": "serving.request",
    "FoundEngine": "engine",
    "Gpu": "gpu",
    "GpuCard": "jobs.card",
    "GpuHours": "jobs.usage",
    "GpuNote": "jobs.card",
    "GpuProcess": "gpu",
    "GpuWish": "jobs.card",
    "History": "history",
    "HostProcesses": "host",
    "ImageCard": "images.card",
    "ImageRoom": "images.card",
    "ImageTask": "images.task",
    "Importance": "registry.run_window",
    "ImportedJobs": "jobs.imported",
    "ImportedRuns": "registry.transfer",
    "MigratedFolder": "registry.transfer",
    "Incident": "incident",
    "Job": "jobs.job",
    "JobBrief": "jobs.brief",
    "JobDisk": "jobs.staging",
    "JobGroup": "jobs.group",
    "JobRun": "jobs.brief",
    "JobShell": "jobs.job_shell",
    "JobTemplate": "jobs.template",
    "Labels": "registry.labels",
    "Lineage": "registry.lineage",
    "ListPage": "list_page",
    "LoggedRequest": "serving.request",
    "LostJob": "jobs.brief",
    "Model": "model",
    "ModelCard": "registry.version_hit",
    "ModelFileFacts": "registry.model_files",
    "ModelVersion": "model",
    "OutputFolder": "jobs.capsule",
    "PageVisit": "registry.page",
    "NewToken": "serving.access",
    "PastStatus": "status",
    "PastTraffic": "serving.endpoint",
    "ProcessClaim": "jobs.claim",
    "ProcessMemory": "history",
    "PrunePreview": "images.card",
    "Registry": "model",
    "RepeatPreview": "jobs.capsule",
    "Replayed": "serving.asking",
    "Reservation": "jobs.card",
    "Retraining": "rule",
    "Rule": "rule",
    "Run": "model",
    "RunBrief": "model",
    "RunCurve": "registry.curve",
    "RunColumn": "registry.run_window",
    "RunGroup": "registry.run_window",
    "RunMetrics": "model",
    "RunWindow": "registry.run_window",
    "RunStage": "registry.labels",
    "SecretName": "setting",
    "SeriesBrief": "history",
    "SettingValue": "setting",
    "StagedCopy": "jobs.staging",
    "StagingCache": "jobs.staging",
    "Status": "status",
    "StoreFixed": "registry.doctor",
    "StoreReport": "registry.doctor",
    "Tracker": "registry.tracker",
    "Tried": "serving.asking",
    "VersionHit": "registry.version_hit",
    "VersionsFound": "registry.version_hit",
    "Transferred": "registry.transfer",
    "Undertaking": "serving.undertaking",
    "VariantComparison": "serving.variants",
    "Verified": "registry.transfer",
    "VolumeCard": "images.card",
    "Window": "history",
}
"""The module of each record that verbs answer with, below ``records``. A test holds it to their imports."""


class AnswerNames(dict[str, Any]):
    """What the names in an answer's declaration stand for, each loaded when it is looked up."""

    def __init__(self) -> None:
        super().__init__(Iterator=Iterator, list_of=list)  # what is imported for types alone besides records

    def __missing__(self, name: str) -> Any:
        if name not in WHERE:
            raise KeyError(name)  # what the declaration's module has itself
        self[name] = getattr(import_module(f"mlops_desk.records.{WHERE[name]}"), name)
        return self[name]
