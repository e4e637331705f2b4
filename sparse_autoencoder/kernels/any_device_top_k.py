"""Exact top-k of each row, several times as fast as torch.topk for rows of tens of thousands of columns.

Columns are divided into groups, and the maximum of each group is found first, at the speed of memory. Only the k groups
with the largest maxima can contain any of the k largest numbers, so only these are searched.
"""

import torch
from torch import Tensor

_GROUP = 16  # columns in a group; they are far apart, so that one instruction compares many groups
_LEAST_GROUPS = 4  # times k; with fewer groups little is saved


def top_k(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest numbers of [rows, columns] and their columns, both [rows, k], largest first.

    NaN counts as the largest. Among equal numbers the choice is arbitrary. Both are as in torch.topk.
    """
    n_rows, n_columns = rows.shape
    n_groups = n_columns // _GROUP
    if n_columns % _GROUP or n_groups < _LEAST_GROUPS * k:
        return torch.topk(rows, k, dim=1)
    members = rows.view(n_rows, _GROUP, n_groups)
    groups = torch.topk(members.amax(dim=1), k, dim=1, sorted=False).indices
    candidates = members.gather(2, groups[:, None, :].expand(n_rows, _GROUP, k)).view(n_rows, _GROUP * k)
    values, at = torch.topk(candidates, k, dim=1)
    member, group = at // k, at % k
    return values, member * n_groups + groups.gather(1, group)
