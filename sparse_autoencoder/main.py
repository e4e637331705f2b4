"""The original script's place: `python sparse_autoencoder/main.py` is `saescope run`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of this folder, whose file names are not modules
    from sparse_autoencoder.cli import main

    sys.exit(main())
