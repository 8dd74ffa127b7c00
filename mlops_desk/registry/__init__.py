"""Models, versions, aliases and runs: the desk's own MLflow tracking server, or any other by its URI.

order, address and guard are pure. mlflow.py holds the MLflow client and runs only in worker processes
(worker.py serves requests one after the other, download.py fetches files once); workers.py starts,
feeds and ends them. registry.py is what the rest of the program sees of a registry, fake.py its double.
server.py looks after the desk's own tracking server, which is tracking.py; service.py has the verbs.
"""
