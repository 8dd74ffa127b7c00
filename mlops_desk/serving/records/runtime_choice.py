"""What an endpoint can be served by, in the order in which it is chosen."""

from dataclasses import dataclass

from mlops_desk.jobs.records.reason import Reason


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """One runtime: the ``word`` that asks for it, what it is, and for which models.

    ``obstacle`` says why it can't serve here now; None: nothing is known against it. ``image`` is the one that it would
    serve by, None where that is found or made at the deployment. ``never_run``: it was never tried with a real one of
    its images. ``serves`` has the kinds of files that it takes (``onnx``, ``gguf``); empty: no special ones.
    """

    word: str
    title: str
    about: str
    image: str | None = None
    obstacle: Reason | None = None
    never_run: bool = False
    serves: tuple[str, ...] = ()
