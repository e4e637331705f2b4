"""A block's token table, made on the device where its activations were computed; the same bits as token_table.py's."""

import torch
from torch import Tensor

from sparse_autoencoder.kernels.torch_array_ops import changes, running_total, to_host
from sparse_autoencoder.summaries.token_table import (
    HALF_BITS,
    LARGEST_SUM,
    LOW_HALF,
    STEPS_PER_UNIT,
    TokenTable,
    joined_halves,
)


def table_of_tensors(token: Tensor, feature: Tensor, value: Tensor) -> TokenTable:
    """See token_table.table_of_activations."""
    if not len(token):
        return TokenTable.empty()
    order = torch.sort(token, stable=True)[1]
    token, feature, value = token[order], feature[order], value[order]
    begins = changes(token, feature)
    starts = torch.nonzero(begins).flatten()
    bounds = torch.cat([starts, torch.full((1,), len(token), device=token.device)])
    group = running_total(begins)[1:] - 1
    steps = torch.round(value.double() * STEPS_PER_UNIT).clamp(max=float(LARGEST_SUM)).long()

    def sums(numbers: Tensor) -> Tensor:
        total = running_total(numbers)
        return total[bounds[1:]] - total[bounds[:-1]]

    host = to_host(
        {
            "token": token[starts],
            "feature": feature[starts],
            "count": torch.diff(bounds),
            "low": sums(steps & LOW_HALF),
            "high": sums(steps >> HALF_BITS),
            "maximum": torch.zeros(len(starts), device=token.device).scatter_reduce_(0, group, value, "amax"),
        }
    )
    total = joined_halves(host.pop("low"), host.pop("high"))
    return TokenTable(**host, total=total)
