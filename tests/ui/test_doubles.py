"""The scripted agent is asked as the real one is: the same verbs, parameters and defaults."""

import ast
import inspect
from pathlib import Path

import pytest
from doubles import Double
from service_double import Service, signature_of

import mlops_desk
from mlops_desk.kit.verbs.desk import PROTOCOLS

_VARIABLE = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


def doubled() -> list[tuple[str, str, inspect.Signature]]:
    """Return service, verb and parameters of whatever a test can ask of the double."""
    double, found = Double(), []
    for service in PROTOCOLS:
        kind = type(getattr(double, service, None))
        if issubclass(kind, Service):
            verbs = [name for name in dir(kind) if not name.startswith("_") and signature_of(service, name) is not None]
            found += [(service, verb, inspect.signature(inspect.getattr_static(kind, verb))) for verb in verbs]
    return found


def test_most_verbs_have_a_double() -> None:
    assert len(doubled()) >= 228, "one that had a double has none any more"


def test_a_double_takes_no_parameter_that_its_verb_has_not_and_no_other_default() -> None:
    wrong = []
    for service, verb, signature in doubled():
        real = signature_of(service, verb)
        assert real is not None
        for parameter in list(signature.parameters.values())[1:]:
            if parameter.kind in _VARIABLE:
                continue
            known = real.parameters.get(parameter.name)
            if known is None or known.default != parameter.default:
                wrong.append(f"{service}.{verb}: {parameter}")
    assert wrong == []


def test_what_the_real_verb_would_refuse_is_refused_whatever_the_double_takes() -> None:
    double = Double()
    with pytest.raises(TypeError, match="unexpected"):
        double.endpoints.scale("digits", copies=3)
    with pytest.raises(TypeError, match="missing"):
        double.endpoints.deploy("churn")


def asked_by_the_window() -> set[tuple[str, str]]:
    """Return service and verb of each call in the window's code, as far as its text names both."""
    services, asked = set(PROTOCOLS), set()
    modules = Path(mlops_desk.__file__).parent.rglob("*.py")
    for path in (path for path in modules if "window" in path.parts):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                service, verb = node.value.attr, node.attr
                if service in services and signature_of(service, verb) is not None:
                    asked.add((service, verb))
    return asked


@pytest.mark.slow
def test_each_verb_that_the_window_asks_has_a_double() -> None:
    asked = asked_by_the_window()
    assert len(asked) > 150
    assert asked - {(service, verb) for service, verb, _ in doubled()} == set()
