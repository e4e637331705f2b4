"""The original server's place: `python viz_analysis/feature_probe_server.py` is `saescope serve`, with its flags."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from services.cli import main

    sys.exit(main(["serve", *sys.argv[1:]]))
