"""What `bootstrap.py`, the package build and CI share: find out what a machine lacks, and bring it.

Standard library only, and nothing newer than Python 3.8 in the syntax, so that a machine whose
Python is too old is told so in a sentence instead of by a traceback.

    say          one voice for everything that is printed, and the one kind of error
    needs        what the system must have, and how its presence shows
    packages     Debian's packages: choosing names, installing, or the one line to paste
    interpreter  which Python the environment is made with
    environment  .venv from a lock with hashes, by uv or by pip
    without_qt   the same environment once more without Qt, for the test of the layer rule
    screen       is there a screen, and a private one for tests
    checks       what `bootstrap.py test` runs
"""
