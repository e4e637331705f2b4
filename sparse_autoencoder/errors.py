"""The one exception that is meant for the person at the keyboard."""


class SaescopeError(Exception):
    """What was wrong, where, and what to do, in a sentence; commands print it and exit with status 2."""
