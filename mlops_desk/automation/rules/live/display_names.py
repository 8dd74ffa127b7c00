"""Conditions with the names that things go by: people say gpu0, and facts are known by its UUID. Pure."""

from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.records.conditions import Both, Either, MetricClause, StateClause, WhenClause
from mlops_desk.kit.base.errors import DeskError

Name = Callable[[str, str], str]
"""By what name a thing of a class goes; may raise DeskError where there is no such thing."""


def renamed(clause: WhenClause, name: Name) -> WhenClause:
    """Return a condition whose things have their own names; one that is not there (yet) keeps what it was given."""
    if isinstance(clause, (Both, Either)):
        return type(clause)(tuple(renamed(part, name) for part in clause.parts))
    if isinstance(clause, MetricClause) and clause.of is not None:
        return replace(clause, of=_named(clause.device, clause.of, name))
    if isinstance(clause, StateClause) and clause.of is not None and clause.kind == "gpu":
        return replace(clause, of=_named("gpu", clause.of, name))
    return clause


def _named(device: str, given: str, name: Name) -> str:
    try:
        return name(device, given)
    except DeskError:
        return given
