"""Endpoints of a pipeline's model, as they stand to its challenger."""

from mlops_desk.records.pipelines.evidence import EndpointMove
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.serving.service import EndpointsService


class EndpointRollouts:
    """Those that serve versions of the desk's own registry."""

    def __init__(self, endpoints: EndpointsService) -> None:
        self._endpoints = endpoints

    def moves(self, run: PipelineRun) -> list[EndpointMove]:
        """Return the endpoints that do not follow the alias; the others move with it by themselves."""
        served = (one for one in self._endpoints.list() if one.model.name == run.model and one.model.registry is None)
        return [_left(one) for one in served if one.follows != run.alias]

    def shadow(self, run: PipelineRun, name: str) -> None:
        """Lead none: those that follow go with the alias, by the canary that they were told to follow with."""

    canary = promote = back = shadow


def _left(endpoint: Endpoint) -> EndpointMove:
    return EndpointMove(endpoint.name, follows=False, state="left", version=endpoint.model.version)
