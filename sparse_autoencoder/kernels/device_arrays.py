"""Operations on flat tensors that summaries are made of on a device: sorting, groups, hashing, copying to the host.

What arrays.py does in numpy, in operators that torch has on every device with float64 and that give the same bits on
all of them. 64-bit hashes are int64 here, for want of operators on uint64: the same bits, seen as two's complement.
Nothing here knows what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.copy_to_device import sent
from sparse_autoencoder.utils.arrays import GOLDEN

_LOWEST = -(1 << 63)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


SIGNED_GOLDEN = _signed(int(GOLDEN))


def mix(x: Tensor) -> Tensor:
    """Hash 64-bit integers one by one, as arrays.mix does."""
    x = x + SIGNED_GOLDEN
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    # >> repeats the sign; masking leaves the zeros that it moves in for unsigned numbers
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def unsigned_order(x: Tensor) -> Tensor:
    """Numbers that sort as int64 like the same bits sort as unsigned ones."""
    return x ^ _LOWEST


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy of an array on the device; unsigned 64-bit numbers as int64."""
    signed = array.view(np.int64) if array.dtype == np.uint64 else array
    return sent(torch.tensor(signed, device="cpu"), device)


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Copies of tensors as numpy arrays, in one transfer."""
    # the widest numbers first, so that each array begins at a multiple of its numbers' size
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    data = torch.cat([tensors[name].contiguous().view(torch.uint8) for name in names]).cpu().numpy()
    arrays, begin = {}, 0
    for name in names:
        end = begin + tensors[name].numel() * tensors[name].element_size()
        dtype = np.dtype(str(tensors[name].dtype).removeprefix("torch."))
        arrays[name] = data[begin:end].view(dtype)
        begin = end
    return arrays


def sorted_order(major: Tensor, minor: Tensor) -> Tensor:
    """Indices that sort stably by two keys in [0, 2^31)."""
    return torch.sort((major.long() << 32) | minor.long(), stable=True)[1]


def changes(*sorted_keys: Tensor) -> Tensor:
    """Mask of the entries where a group begins: each run of entries that are equal in all keys."""
    mask = torch.ones(len(sorted_keys[0]), dtype=torch.bool, device=sorted_keys[0].device)
    if len(mask):
        mask[1:] = False
    for key in sorted_keys:
        mask[1:] |= key[1:] != key[:-1]
    return mask


def bounds(group: Tensor, n_groups: int) -> Tensor:
    """Where each of the groups 0, 1, … begins in an ascending `group`, and where the last ends [groups + 1]."""
    return torch.searchsorted(group, torch.arange(n_groups + 1, device=group.device, dtype=group.dtype))


def running_total(numbers: Tensor) -> Tensor:
    """What comes before each of the integers (or marks), and after the last, added up [numbers + 1]."""
    total = torch.zeros(len(numbers) + 1, dtype=torch.int64, device=numbers.device)
    torch.cumsum(numbers, 0, dtype=torch.int64, out=total[1:])
    return total


def first_of_each(item: Tensor) -> Tensor:
    """Mask of the entries whose item comes for the first time; items are in [0, len(item))."""
    place = torch.arange(len(item), device=item.device)
    first = torch.full_like(place, len(item)).scatter_reduce_(0, item, place, "amin")
    return first[item] == place


def first_marked(mask: Tensor, group: Tensor, starts: Tensor, per_group: int) -> Tensor:
    """Indices of each group's first `per_group` marked entries; `group` ascends, and group g begins at starts[g]."""
    before = running_total(mask)
    rank = before[:-1] - before[starts[group]]
    return torch.nonzero(mask & (rank < per_group)).flatten()


def ranges(starts: Tensor, lengths: Tensor) -> Tensor:
    """The numbers start, start + 1, … of each of several ranges, one range after the other."""
    before = running_total(lengths)
    total = int(before[-1])
    shifts = torch.repeat_interleave(starts - before[:-1], lengths, output_size=total)
    return torch.arange(total, device=starts.device) + shifts
