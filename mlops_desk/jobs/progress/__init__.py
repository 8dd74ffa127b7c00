"""How far a job says it is: read from what it writes, as far as the log is heard already. Pure."""
