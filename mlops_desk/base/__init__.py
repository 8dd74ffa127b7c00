"""How the program works, whatever it is about: bus, loop, settings, errors, lock, paths, log, processes."""
