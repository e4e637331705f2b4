"""Operations on flat tensors, from which summaries are built on a device: sorting, groups, hashing, copies to the host.

They do what utils/numpy_array_ops.py does in numpy, with operators that torch has on every device with float64, and
that give the same bits on all of them. PyTorch has few operators on uint64, so 64-bit hashes are int64
here, with the same bits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.utils.numpy_array_ops import GOLDEN

_LOWEST = -(1 << 63)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


SIGNED_GOLDEN = _signed(int(GOLDEN))


def mix(x: Tensor) -> Tensor:
    """Hash each 64-bit integer, as arrays.mix does."""
    x = x + SIGNED_GOLDEN
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    # >> on int64 shifts in copies of the sign bit; the mask makes them zeros, as for unsigned numbers
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def unsigned_order(x: Tensor) -> Tensor:
    """Map int64 bits so that sorting them as int64 gives the order of the bits as unsigned numbers."""
    return x ^ _LOWEST


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy of an array on the device; uint64 becomes int64 with the same bits."""
    signed = array.view(np.int64) if array.dtype == np.uint64 else array
    return copy_to_device(torch.tensor(signed, device="cpu"), device)


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Copies of tensors as numpy arrays, in one transfer."""
    # the widest types first, so that each array is aligned to its type's size
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
    """Mask of the entries where a group begins; a group is a sequence of entries that are equal in all keys."""
    mask = torch.ones(len(sorted_keys[0]), dtype=torch.bool, device=sorted_keys[0].device)
    if len(mask):
        mask[1:] = False
    for key in sorted_keys:
        mask[1:] |= key[1:] != key[:-1]
    return mask


def bounds(group: Tensor, n_groups: int) -> Tensor:
    """Offsets of the groups 0, 1, … in an ascending `group`, and the end of the last one: [groups + 1]."""
    return torch.searchsorted(group, torch.arange(n_groups + 1, device=group.device, dtype=group.dtype))


def running_total(numbers: Tensor) -> Tensor:
    """Exclusive prefix sums of integers (or of a mask), with the total at the end: [numbers + 1]."""
    total = torch.zeros(len(numbers) + 1, dtype=torch.int64, device=numbers.device)
    torch.cumsum(numbers, 0, dtype=torch.int64, out=total[1:])
    return total


def count_of_each(item: Tensor, n_items: int) -> Tensor:
    """How often each of the items 0 to n_items - 1 is there: [n_items]."""
    one = torch.ones((), dtype=torch.int64, device=item.device)
    return torch.zeros(n_items, dtype=torch.int64, device=item.device).index_add_(0, item, one.expand(len(item)))


def first_of_each(item: Tensor) -> Tensor:
    """Mask of each item's first entry; items are in [0, len(item))."""
    place = torch.arange(len(item), device=item.device)
    first = torch.full_like(place, len(item)).scatter_reduce_(0, item, place, "amin")
    return first[item] == place


def first_marked(mask: Tensor, group: Tensor, starts: Tensor, per_group: int) -> Tensor:
    """Indices of each group's first `per_group` marked entries; `group` ascends, and group g begins at starts[g]."""
    before = running_total(mask)
    rank = before[:-1] - before[starts[group]]
    return torch.nonzero(mask & (rank < per_group)).flatten()


def ranges(starts: Tensor, lengths: Tensor) -> Tensor:
    """Concatenate ranges: for each start the numbers start, start + 1, …, as many as its length says."""
    before = running_total(lengths)
    total = int(before[-1])
    shifts = torch.repeat_interleave(starts - before[:-1], lengths, output_size=total)
    return torch.arange(total, device=starts.device) + shifts
