"""What the program talks about: frozen dataclasses, standard library only.

Records are the common language of every process. They cross threads and processes as snapshots;
a changed thing is a new record. Field names carry their units.
"""
