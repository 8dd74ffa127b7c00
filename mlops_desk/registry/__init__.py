"""Models, versions, aliases and runs: the desk's own MLflow tracking server, or any other by its URI.

``protocol`` is what the rest of the program sees of a registry, ``fake`` its double, ``service`` has the verbs. In
``mlflow``, ``client`` holds the MLflow client and runs only in worker processes (``worker`` serves requests one after
the other, ``download`` fetches files once), which ``workers`` starts, feeds and ends. In ``server``, ``keeper`` looks
after the desk's own tracking server, which is ``process``.
"""
