"""Notes what any Python process unpickles, or makes code of, into the file that ``UNPICKLING_WATCH`` names.

A test gives the program a Python that has this folder, so that each of the program's processes loads it before anything else. Written is
one JSON line for each: which command, which event, of what, and the module that asked. Whatever customises this
machine's Python otherwise goes on doing so.
"""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import sys
from pathlib import Path

_LOADERS = {"torch", "joblib", "cloudpickle", "dill", "skops"}
_CODE = {"marshal.load", "marshal.loads", "code.__new__"}
_HERE = str(Path(__file__).parent)
_FROM_IMPORT = {"<frozen importlib._bootstrap_external>", "<frozen zipimport>"}  # how Python itself reads .pyc files


def _note(event, what):
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in {__name__, "pickle", "_pickle"}:
        frame = frame.f_back
    by = "" if frame is None else frame.f_globals.get("__name__", "")
    line = json.dumps({"command": sys.orig_argv[1:], "pid": os.getpid(), "event": event, "what": what, "by": by})
    os.write(_file, line.encode() + b"\n")  # opened before a process walls itself off


def _hear(event, arguments):
    if event == "pickle.find_class":
        _note(event, ".".join(map(str, arguments[:2])))
    elif event == "import" and arguments[0] in _LOADERS:
        _note(event, arguments[0])
    elif event in _CODE and sys._getframe(1).f_code.co_filename not in _FROM_IMPORT:
        _note(event, "")


def _watch_unpickling():
    """Hear also of pickles that name nothing, of which no audit event tells."""
    import pickle

    def told(name, inner):
        def call(*arguments, **options):
            _note("unpickle", name)
            return inner(*arguments, **options)

        return call

    class Unpickler(pickle.Unpickler):
        def __init__(self, *arguments, **options):
            _note("unpickle", "Unpickler")
            super().__init__(*arguments, **options)

    pickle.load, pickle.loads = told("load", pickle.load), told("loads", pickle.loads)
    pickle.Unpickler = Unpickler


def _run_the_next():
    places = sys.path[1 + max((at for at, place in enumerate(sys.path) if place == _HERE), default=-1) :]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", places)
    if found is not None and found.loader is not None:
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)


if "UNPICKLING_WATCH" in os.environ:
    _file = os.open(os.environ["UNPICKLING_WATCH"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _watch_unpickling()
    sys.addaudithook(_hear)
    _note("started", "")
with contextlib.suppress(ModuleNotFoundError):  # the last of them
    _run_the_next()
