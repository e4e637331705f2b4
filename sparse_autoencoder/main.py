"""The path of the original script: `python sparse_autoencoder/main.py` is the same as `saescope run`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(
        Path(__file__).resolve().parents[1]
    )  # replaces this folder, whose files must not be imported as top-level modules
    from sparse_autoencoder.cli import main

    sys.exit(main())
