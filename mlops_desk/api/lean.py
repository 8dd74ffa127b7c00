"""httpx without its own command line, which nobody asks for here.

Importing httpx tries that too, and loads click, and rich and pygments where they are: up to 0.09 s of every start.
"""

import sys
from typing import Any

_COMMAND_LINE = "httpx._main"
_modules: dict[str, Any] = sys.modules
_had = _COMMAND_LINE in _modules
_modules.setdefault(_COMMAND_LINE, None)  # "there is none": httpx is made for that

import httpx  # noqa: E402 - what stands above is for it

if not _had:
    del _modules[_COMMAND_LINE]

__all__ = ["httpx"]
