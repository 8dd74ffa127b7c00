"""Runs as columns: kept, filtered, sorted, grouped and counted, by numpy alone."""
