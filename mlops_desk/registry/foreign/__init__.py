"""Runs that other trackers have left on this disk, read where they lie, without their servers: nothing is written."""
