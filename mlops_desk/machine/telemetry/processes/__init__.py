"""The processes of the whole machine: read in a process of its own, and only while somebody looks."""
