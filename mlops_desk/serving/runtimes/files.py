"""What is known of a version's files before they are brought here, by the beginning of each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FilesTold:
    """``size_bytes`` of all files together, None: not known. ``formats`` say how they are kept (onnx, cloudpickle …).

    ``formats`` None: not known, or not all files were looked at.
    """

    size_bytes: int | None = None
    flavors: tuple[str, ...] = ()
    formats: tuple[str, ...] | None = None
