"""How far current data has moved from a reference, column by column.

``measures``, ``bins``, ``quality``, ``verdict`` and ``windows`` are pure; ``read`` takes Parquet and CSV
through DuckDB, ``worker`` compares two files in a process of its own, ``service`` watches endpoints.
"""
