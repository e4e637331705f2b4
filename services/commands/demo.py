"""`saescope demo`: a small run on the demo's models, and its pages."""

from __future__ import annotations

import argparse

from services.commands.serve import serve_runs
from sparse_autoencoder.cli import need_torch
from sparse_autoencoder.errors import SaescopeError


def demo_command(args: argparse.Namespace) -> int:
    """Generate headlines, summarise them and serve the result."""
    need_torch()
    import demo
    from demo.headlines import write_csv
    from services.api.http.server import listening_socket
    from sparse_autoencoder.pipeline import single_process as runs
    from sparse_autoencoder.runs.run_options import RunOptions
    from sparse_autoencoder.runs.store import DirectoryStore

    listening_socket(args.host, args.port).close()  # whether the port is free, before the work is done
    headlines = args.output / "demo-headlines.csv"
    try:
        headlines.parent.mkdir(parents=True, exist_ok=True)
        write_csv(args.max_rows, 0, str(headlines))
    except OSError as error:
        raise SaescopeError(
            f"can't write {headlines}: {error.strerror or error}; choose another folder with --output"
        ) from error
    options = RunOptions(
        source=str(headlines),
        subject=str(demo.SUBJECT),
        autoencoder=str(demo.AUTOENCODER),
        layer=demo.LAYER,
        location=demo.LOCATION,
        chunk_size=1000,
    )
    runs.run(options, DirectoryStore(args.output))
    return serve_runs(args.output, args.host, args.port, open_browser=args.open, models=args.models)
