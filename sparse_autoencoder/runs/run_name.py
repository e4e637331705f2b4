"""The rule for the name that a user gives a run. Importing this file is fast, as the command's flags do it."""

MOST_CHARS = 100


def check_run_name(name: str) -> str:
    """The name; ValueError with a sentence if it can't stand in a line of a list of runs."""
    if not name.strip():
        raise ValueError("a run's name can't be empty")
    if len(name) > MOST_CHARS:
        raise ValueError(f"a run's name has at most {MOST_CHARS} characters, not {len(name):,}")
    if not name.isprintable():
        raise ValueError("a run's name can't have line breaks or other characters that aren't printed")
    return name
