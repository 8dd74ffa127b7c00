"""Training jobs: a queue of containers whose outcome is true, or said to be unknown.

``spec`` and ``document`` read job files, ``queue`` and ``outcome`` decide; all are pure. ``runner`` compares
what is wanted with what runs, ``attempts`` acts, ``wrapper.sh`` runs inside the container.
"""
