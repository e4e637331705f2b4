"""The run that is started by itself when a store has none, so that there is something to see."""

from __future__ import annotations

from services.api.http.change_requests import options_of
from services.api.runs.run_changes import Control
from services.common.option_flags import parse_options


def start_first_run(flags: str, control: Control) -> str | None:
    """Start the run with these flags of `saescope run` if there is no run at all; its id.

    SaescopeError if the flags are wrong or the store can't be reached.
    """
    if not flags.strip() or control.has_runs():
        return None
    return control.start(options_of(parse_options(flags)))
