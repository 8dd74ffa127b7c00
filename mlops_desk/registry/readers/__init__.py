"""What every source of runs and models gives: a database, a server, a folder, another tracker's files."""
