"""The few pages of the desk's own that a browser sees at the tracking server: what is missing, and how to go on."""

import base64
import hashlib

from mlops_desk.base.errors import Hint

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:15vh auto;padding:0 1em;color:#1b1f24;"
    "background:#fff}code{background:#eef0f2;padding:.15em .4em;border-radius:4px}"
    "a{color:#0a5cad}@media(prefers-color-scheme:dark){body{color:#e4e7ea;background:#16191d}"
    "code{background:#262b31}a{color:#7ab8ff}}"
)
# What stands behind a # never reaches a server: only the page itself knows which run its address is about.
_SCRIPT = (
    "const run=/\\/runs\\/([0-9a-f]{32})\\b/.exec(location.hash);"
    "if(run){for(const e of document.querySelectorAll('[data-run]'))e.textContent=e.dataset.run.replace('RUN',run[1]);"
    "document.querySelector('a').href='mlops-desk://run/'+run[1]}"
)
_PAGE, _HERE = Hint("mlops-desk runs open RUN --mlflow").command, Hint("mlops-desk runs open RUN").command
_HOW = f"<code data-run='{_PAGE}'>{_PAGE}</code>"
_WINDOW = (
    "<p><a href='mlops-desk://run/'>Open the run in MLOps Desk</a> – or in a terminal: "
    f"<code data-run='{_HERE}'>{_HERE}</code></p>"
)


def _page(title: str, body: str) -> bytes:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
        f"</head><body><h1>{title}</h1>{body}<script>{_SCRIPT}</script></body></html>"
    ).encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; frame-ancestors 'none'"
"""What these pages may do: nothing but show what is written in them."""

LOCKED = _page(
    "This tracking server is locked",
    "<p>It belongs to MLOps Desk and answers jobs, each with a token of its own. A browser is let in when its owner "
    f"opens MLflow's page from the window, or by {_HOW}</p>{_WINDOW}",
)
USED = _page(
    "This address was good once",
    "<p>It was used already, is older than a minute, or was opened by somebody else than the person it was made for. "
    f"Open MLflow's page from the window again, or by {_HOW}</p>{_WINDOW}",
)
MISSING = _page(
    "MLflow's page is not installed",
    "<p>The tracking server of this desk runs on mlflow-skinny, which has no page; that is part of the full package, "
    "<code>mlflow</code>. The window of MLOps Desk shows the same runs and models.</p>" + _WINDOW,
)
