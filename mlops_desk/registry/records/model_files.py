"""What a version of a model says of itself in its files: MLmodel, requirements, sizes. Nothing is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SignatureColumn:
    """A column or tensor of a signature: ``type`` as MLflow writes it, ``shape`` of a tensor (-1: any)."""

    name: str | None
    type: str
    is_required: bool = True
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelFileFacts:
    """``formats`` say how its files are kept (pickle, cloudpickle, skops, onnx, safetensors, torchscript, booster …).

    ``loads_code``: opening it runs code that its files hold, as a pickle does. ``opcodes`` counts what a pickle would
    do (global names that it imports, each with how often), listed and never run. Everything is None or empty where
    the files don't say; ``problem``: why they can't be read.
    """

    name: str
    version: str
    flavors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    loads_code: bool | None = None
    opcodes: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[SignatureColumn, ...] | None = None
    outputs: tuple[SignatureColumn, ...] | None = None
    params: tuple[SignatureColumn, ...] | None = None
    input_example: str | None = None
    requirements: tuple[str, ...] = ()
    python_version: str | None = None
    mlflow_version: str | None = None
    model_id: str | None = None
    size_bytes: int | None = None
    n_files: int | None = None
    problem: str | None = None
