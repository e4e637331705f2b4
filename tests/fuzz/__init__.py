"""Fuzzing: damaged and made-up inputs, for as long as one likes; commands, and no part of `make test`.

    python -m tests.fuzz sources --minutes 10
    python -m tests.fuzz endpoints --minutes 10

Each ends with exit status 1 at the first input that gives anything but rows or a sentence, takes too long, or takes
more than a gigabyte; the input is then in the folder that the message names. `--seed` begins with another one.
"""
