"""The demo's endpoint that could not be built: its model wants a package that nobody has."""

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.records.endpoint import (
    DeployStep,
    Endpoint,
    EndpointRevision,
    EndpointState,
    ModelRef,
    RevisionState,
)

BUILD_OUTPUT = (
    "Collecting scikit-learn==1.9.9",
    "ERROR: Could not find a version that satisfies the requirement scikit-learn==1.9.9",
    "ERROR: No matching distribution found for scikit-learn==1.9.9",
)


def failed_endpoint(now: float, name: str, version: ModelVersion) -> Endpoint:
    """Return an endpoint whose image could not be built."""
    text = "The image could not be built: no matching distribution found for scikit-learn==1.9.9"
    reason = Reason(
        "build_failed", text, "\n".join(BUILD_OUTPUT), "Correct the model's requirements.txt, then deploy again."
    )
    uri = f"models:/{version.name}/{version.version}"
    ref = ModelRef(version.name, version.version, uri, None, version.run_id)
    at = now - 3600.0
    steps = (
        DeployStep("resolve", f"{version.name}/{version.version} is meant by {version.name}@champion", at, 0.02),
        DeployStep("fetch", f"the files of {version.name}/{version.version} from the registry", at, 0.4),
        DeployStep("build", "4 requirements, from the package index", at, 31.0),
    )
    made = EndpointRevision(1, ref, RevisionState.FAILED, runtime="build", created=at, reason=reason)
    return Endpoint(
        name, EndpointState.FAILED, None, 1, ref, created_at=at, updated_at=at, reason=reason, revisions=(made,),
        steps=steps, token_required=True,
    )  # fmt: skip
