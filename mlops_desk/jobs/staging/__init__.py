"""Data of jobs that are copied from a slow share to a fast local disk before they start (``stage: true``)."""
