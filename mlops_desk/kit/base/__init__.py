"""How the program works, whatever it is about: bus, loop, settings, errors, text, log, processes."""
