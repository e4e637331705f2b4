"""A second CUDA stream of each device, for work whose result the host waits for."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch


@cache
def second_stream(device: torch.device) -> torch.cuda.Stream:
    """The second stream of a CUDA device."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def beside(device: torch.device) -> AbstractContextManager[Any]:
    """A context that queues CUDA work on the second stream.

    The host learns a result's size only when all work queued before on that stream is done. On the model's stream that
    would include the next blocks' batches. All summarising threads share the second stream: its work runs in order, so
    memory that one thread frees can be used by another one at once.
    """
    return torch.cuda.stream(second_stream(device)) if device.type == "cuda" else nullcontext()
