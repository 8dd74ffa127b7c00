"""Training jobs: a queue of containers whose outcome is true, or said to be unknown.

``file`` reads job files, ``queue`` and ``run.outcome`` decide; all are pure. ``run.runner`` compares what is wanted
with what runs, ``run.attempts`` acts; both speak to whatever runs the jobs as ``runtimes.runtime`` says.
"""
