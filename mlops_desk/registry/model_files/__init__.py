"""What a model's files say of it: MLmodel, signature, formats, requirements. Read as text and by their beginnings.

``facts`` puts it together in ``worker``, a child process; ``environment`` compares what two models want installed.
"""
