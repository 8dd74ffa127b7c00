"""Learning curves: a version's own recipe on growing shares of its rows, to tell what more rows would bring."""
