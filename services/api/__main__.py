"""`python -m services.api`: the API of the services as a process."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from services.api.app import create_app
from services.api.http.access import Access
from services.api.http.server import listening_socket, serve_app
from services.api.http.write_requests import options_of
from services.api.models.through_redis import ModelsThroughRedis
from services.api.runs.run_changes import RunChanges
from services.api.runs.run_entries import Backend
from services.common.logs import configure_logs, log
from services.common.process.service_main import run_with_settings
from services.common.real_dependencies import real_dependencies, wait_for_servers
from services.common.redis.why_runs_wait import RunNotes
from services.common.run_option_flags import parse_options
from services.common.settings import Settings
from services.common.tasks.worker_process import GAVE_UP
from sparse_autoencoder.cli import EXIT_INTERRUPTED
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.run_flags import at_least


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; the exit status: 0 after SIGTERM, GAVE_UP if it can't start."""
    parser = argparse.ArgumentParser(prog="python -m services.api", description="Serve the API of the services.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=at_least(0, 65_535), default=8765, help="port to listen on (default: 8765)")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _leave)  # as process 1 of a container it would otherwise not hear it
    try:
        return run_with_settings(lambda settings: _serve(settings, args.host, args.port))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _serve(settings: Settings, host: str, port: int) -> int:
    configure_logs("api")
    try:
        wait_for_servers(settings)
        listening = listening_socket(host, port)
    except SaescopeError as error:
        log("start_failed", logging.ERROR, problem=str(error))
        return GAVE_UP
    deps = real_dependencies(settings)
    backend = Backend(deps, RunNotes(settings.redis_url), settings.data_folder)
    models, root_path = ModelsThroughRedis(deps), settings.root_path.rstrip("/")
    app = create_app(deps.store, backend=backend, access=_access(settings), root_path=root_path, models=models)
    _start_first_run(settings.first_run, app.state.run_changes)
    with listening:
        log("ready", host=host, port=listening.getsockname()[1])
        serve_app(app, listening, log_config=None)
    return 0


def _access(settings: Settings) -> Access:
    return Access(settings.api_token, settings.guard_reading, settings.allowed_hosts, settings.allowed_origins)


def _start_first_run(flags: str, changes: RunChanges) -> None:
    """Start a run with these flags of `saescope run` if there is no run yet, so that the viewer has something to show.

    What is wrong with it doesn't keep the API from serving.
    """
    try:
        if flags.strip() and not changes.has_runs():
            log("first_run_started", run=changes.start(options_of(parse_options(flags))))
    except SaescopeError as error:
        log("first_run_failed", logging.ERROR, problem=f"SAESCOPE_FIRST_RUN: {error}")


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
