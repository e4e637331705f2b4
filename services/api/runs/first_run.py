"""Starts a first run when a store has none, so that the viewer has something to show."""

from __future__ import annotations

from services.api.http.write_requests import options_of
from services.api.runs.run_changes import Control
from services.common.run_option_flags import parse_options


def start_first_run(flags: str, control: Control) -> str | None:
    """Start a run with these flags of `saescope run` if the store has no run; returns its id, None if none was started.

    SaescopeError if the flags are wrong or the store can't be used.
    """
    if not flags.strip() or control.has_runs():
        return None
    return control.start(options_of(parse_options(flags)))
