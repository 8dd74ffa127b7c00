"""Aliases of models: the journal of where each went, moves with what they bring, and the way back.

MLflow keeps nothing of it: an alias is one row that is written over. ``sight`` compares how aliases stand with how
they stood, ``journal`` keeps every move that was seen, ``moving`` makes one, ``tracing`` (pure) answers from the
journal, ``verbs`` has what can be asked.
"""
