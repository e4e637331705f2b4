"""`python -m tests.support.failing_encoder`: the encoder service, whose computing fails as the folder it runs in says.

A file `hang` has the next chunk hang, `cuda` has it raise what CUDA raises; each once, as the file is removed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from services.common.attempt_rule import Moved
from services.common.process.service_main import run_with_settings
from services.common.settings import Settings
from services.encoder.__main__ import work
from services.encoder.encode_chunks import ChunkOutput
from services.encoder.loaded_models import ModelComputer
from sparse_autoencoder.runs.metadata import RunMetadata


class FailingComputer(ModelComputer):
    """Computes as it should, or fails."""

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, cutoffs: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        """See ModelComputer.encode."""
        if _asked("hang"):
            threading.Event().wait()
        if _asked("cuda"):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().encode(plan, chunk, data, cutoffs, moved)


def _asked(name: str) -> bool:
    file = Path(name)
    if file.exists():
        file.unlink()
        return True
    return False


def main(settings: Settings) -> int:
    """Be the worker until a signal."""
    return work(settings, FailingComputer(settings.data_folder))


if __name__ == "__main__":
    sys.exit(run_with_settings(main))
