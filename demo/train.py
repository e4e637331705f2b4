"""Train the demo's subject model and autoencoder again, from nothing, in about a quarter of an hour.

    python demo/train.py

Everything is seeded: the same versions on the same machine with the same number of threads give the same files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:  # run as a script: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from demo import AUTOENCODER, SUBJECT
from demo.train_autoencoder import train_autoencoder
from demo.train_subject import train_subject

# Fixed, as sums are split over threads and so round differently.
SUBJECT_THREADS, AUTOENCODER_THREADS = 2, 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the demo's subject model and autoencoder.")
    parser.add_argument("--only", choices=("subject", "autoencoder"), help="train just one of the two")
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    if arguments.only != "autoencoder":
        torch.set_num_threads(SUBJECT_THREADS)
        train_subject(SUBJECT)
    if arguments.only != "subject":
        torch.set_num_threads(AUTOENCODER_THREADS)
        torch.set_flush_denormal(True)  # Adam's averages of a dead latent decay to numbers that are slow to multiply
        train_autoencoder(SUBJECT, AUTOENCODER)


if __name__ == "__main__":
    main()
