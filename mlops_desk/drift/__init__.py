"""How far current data has moved from a reference, column by column.

``measure`` and ``windows`` are pure; ``data`` takes Parquet and CSV through DuckDB, ``worker`` compares two files in a
process of its own, ``service`` watches endpoints.
"""
