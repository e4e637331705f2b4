"""The path of the original script: `python sparse_autoencoder/main.py` is the same as `saescope run`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # in place of this folder, whose files must not be imported as top-level modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from sparse_autoencoder.cli import main

    sys.exit(main())
