"""A block's token table, and what fires at some of its tokens, made on the device of its activations.

The bits are the same as numpy's.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.torch_array_ops import bounds, changes, running_total, to_device, to_host
from sparse_autoencoder.summaries.token_table import (
    HALF_BITS,
    LARGEST_SUM,
    LOW_HALF,
    STEPS_PER_UNIT,
    TokenTable,
    joined_halves,
)
from sparse_autoencoder.utils.numpy_array_ops import Ints


def table_of_tensors(token: Tensor, feature: Tensor, value: Tensor) -> TokenTable:
    """See token_table.table_of_activations."""
    if not len(token):
        return TokenTable.empty()
    order = torch.sort(token, stable=True)[1]
    token, feature, value = token[order], feature[order], value[order]
    begins = changes(token, feature)
    starts = torch.nonzero(begins).flatten()
    ends = torch.cat([starts, torch.full((1,), len(token), device=token.device)])
    group = running_total(begins)[1:] - 1
    steps = torch.round(value.double() * STEPS_PER_UNIT).clamp(max=float(LARGEST_SUM)).long()

    def sums(numbers: Tensor) -> Tensor:
        total = running_total(numbers)
        return total[ends[1:]] - total[ends[:-1]]

    host = to_host(
        {
            "token": token[starts],
            "feature": feature[starts],
            "count": torch.diff(ends),
            "low": sums(steps & LOW_HALF),
            "high": sums(steps >> HALF_BITS),
            "maximum": torch.zeros(len(starts), device=token.device).scatter_reduce_(0, group, value, "amax"),
        }
    )
    total = joined_halves(host.pop("low"), host.pop("high"))
    return TokenTable(**host, total=total)


def features_at(tokens: Ints, num_tokens: int, token: Tensor, feature: Tensor) -> tuple[Ints, NDArray[np.int32]]:
    """See Summariser.active_at; `token` and `feature` are of all activations, sorted by feature."""
    slot_of = np.full(num_tokens, len(tokens), np.int32)
    slot_of[tokens] = np.arange(len(tokens), dtype=np.int32)
    slot = to_device(slot_of, token.device)[token]
    wanted = torch.nonzero(slot < len(tokens)).flatten()
    slot, order = torch.sort(slot[wanted], stable=True)
    host = to_host({"starts": bounds(slot, len(tokens)), "feature": feature[wanted[order]]})
    return host["starts"], host["feature"]
