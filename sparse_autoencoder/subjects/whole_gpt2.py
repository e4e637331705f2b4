"""A whole GPT-2 with vectors at one hook point changed: only what a change can reach is computed again.

A change at a token reaches this token and later ones, in the layers after the hook point. So the clean run keeps these
layers' keys and values, and a changed tail attends to those of the tokens before it. Tokens are flat, without padding;
only queries, keys and values are padded, within the attention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.gpt2_weights import Head
from sparse_autoencoder.subjects.places import Place
from sparse_autoencoder.subjects.whole_model import Change, CleanRun, Generation, Tail, check_windows

_WITHIN_A_LAYER = ("resid_delta_attn", "resid_post_attn")  # a change there goes through the layer's MLP, too
At = Callable[[str, Tensor], Tensor]


class Layout:
    """Which flat tokens belong to which sequence, and which tokens each of them sees.

    Sequence s has the tokens begins[s] to ends[s] (exclusive), and sees all of its earlier ones.
    """

    def __init__(self, begins: Sequence[int], ends: Sequence[int], device: torch.device) -> None:
        self.lengths = [end - begin for begin, end in zip(begins, ends, strict=True)]
        self.queries, self.seen = max(self.lengths), max(ends)
        first = torch.tensor(begins)
        lengths = torch.tensor(self.lengths)
        sequence = torch.repeat_interleave(torch.arange(len(begins)), lengths)
        query = torch.cat([torch.arange(length) for length in self.lengths])
        self.sequence = sequence.to(device)  # [tokens]
        self.query = query.to(device)  # [tokens]: the token's number in its sequence, from `begins` on
        self.position = (query + first[sequence]).to(device)  # [tokens]
        positions = first[:, None] + torch.arange(self.queries)
        self.mask = (torch.arange(self.seen) <= positions[:, :, None])[:, None].to(
            device
        )  # [sequences, 1, queries, seen]


class KeysAndValues:
    """The keys and values of sequences in some layers, each [sequences, heads, positions, head width]."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor) -> None:
        self._shape = shape
        self._like = like
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def of_layer(self, layer_index: int) -> tuple[Tensor, Tensor]:
        """A layer's, which are zeros at first."""
        if layer_index not in self._layers:
            self._layers[layer_index] = self._like.new_zeros(self._shape), self._like.new_zeros(self._shape)
        return self._layers[layer_index]

    def forget(self, layer_index: int) -> None:
        """Free a layer's memory."""
        del self._layers[layer_index]

    def copy(self, sequences: Tensor) -> KeysAndValues:
        """Copies for some of the sequences, given by their numbers."""
        found = KeysAndValues((len(sequences), *self._shape[1:]), self._like)
        found._layers = {
            number: (keys[sequences], values[sequences]) for number, (keys, values) in self._layers.items()
        }
        return found


class WholeGpt2:
    """A GPT-2 of which all layers are loaded. Satisfies whole_model.WholeModel."""

    def __init__(self, subject: Gpt2, head: Head, place: Place, *, tf32: bool = False) -> None:
        if not subject.is_whole:
            raise SaescopeError(f"the last layers of {subject.name} aren't in memory")
        self.subject = subject
        self.head = head
        self.place = place
        self.tf32 = tf32
        self.name = subject.name
        self.vocab_size = subject.vocab_size
        self.max_positions = subject.max_positions
        self.device = subject.device

    @classmethod
    def load(cls, subject: Gpt2, files: list[Path], place: Place, *, tf32: bool = False) -> WholeGpt2:
        """Load what `subject` lacks from the safetensors `files`. The head is in float32, or float64."""
        whole = subject if subject.is_whole else subject.completed(files)
        dtype = torch.promote_types(subject.dtype, torch.float32)
        head = Head.load(subject.config, files, str(subject.device), dtype, subject.token_embedding)
        return cls(whole, head, place, tf32=tf32)

    @torch.inference_mode()
    def run(self, windows: Sequence[Sequence[int]]) -> CleanRun:
        """See WholeModel.run."""
        check_windows(self.subject, self.place, windows)
        layout = Layout([0] * len(windows), list(map(len, windows)), self.device)
        cache = self.cache(len(windows), layout.seen)
        kept: dict[str, Tensor] = {}

        def keep(where: str, vectors: Tensor) -> Tensor:
            if where in (self.place[0], "resid_post_attn", "resid_post_mlp"):
                kept[where] = vectors
            return vectors

        tokens = torch.tensor([token for window in windows for token in window], device=self.device)
        with multiplying(tf32=self.tf32):
            residual = self.subject.embedded(tokens, layout.position)
            for number in range(self.subject.n_layers):
                residual = self.layer(number, residual, layout, cache, keep if number == self.place[1] else _unchanged)
                if number <= self.place[1]:
                    cache.forget(number)
        return Gpt2Run(self, layout, kept, cache, residual)

    def generation(self, num_texts: int, most: int, change: Change) -> Generation:
        """See WholeModel.generation."""
        check_windows(self.subject, self.place, [[0] * most])
        return Gpt2Generation(self, num_texts, most, change)

    def cache(self, sequences: int, positions: int) -> KeysAndValues:
        """Room for the keys and values of sequences."""
        config = self.subject.config
        shape = sequences, config.n_heads, positions, config.d_model // config.n_heads
        return KeysAndValues(shape, self.subject.token_embedding)

    def layer(self, number: int, residual: Tensor, layout: Layout, cache: KeysAndValues, at: At) -> Tensor:
        """Run a layer on the residual stream [tokens, d_model]; the tokens' keys and values go into the cache."""
        attend = partial(self._attend, number, layout, cache)
        return self.subject.run_whole_layer(number, residual, attend, at)

    def _attend(self, number: int, layout: Layout, cache: KeysAndValues, qkv: Tensor) -> Tensor:
        """What the heads give, [tokens, d_model], of queries, keys and values [tokens, 3 * d_model]."""
        config = self.subject.config
        query, key, value = qkv.view(len(qkv), 3, config.n_heads, config.d_model // config.n_heads).unbind(1)
        keys, values = cache.of_layer(number)
        keys[layout.sequence, :, layout.position] = key
        values[layout.sequence, :, layout.position] = value
        queries = qkv.new_zeros(len(layout.lengths), config.n_heads, layout.queries, query.shape[2])
        queries[layout.sequence, :, layout.query] = query
        mixed = functional.scaled_dot_product_attention(
            queries,
            keys[:, :, : layout.seen],
            values[:, :, : layout.seen],
            attn_mask=layout.mask,
            scale=config.attention_scale(number),
        )
        return mixed[layout.sequence, :, layout.query].flatten(1)


def _unchanged(_where: str, vectors: Tensor) -> Tensor:
    return vectors


class Gpt2Predictions:
    """Predictions from the residual stream after the last layer. Satisfies whole_model.Predictions."""

    def __init__(self, whole: WholeGpt2, residual: Tensor) -> None:
        self._whole = whole
        self._residual = residual  # [tokens, d_model]

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """See Predictions.logits."""
        with multiplying(tf32=self._whole.tf32):
            return self._whole.head.logits(self._residual[tokens.to(self._residual.device)])


class Gpt2Run:
    """What a clean run keeps. Satisfies whole_model.CleanRun."""

    def __init__(
        self, whole: WholeGpt2, layout: Layout, kept: dict[str, Tensor], cache: KeysAndValues, residual: Tensor
    ) -> None:
        self._whole = whole
        self._kept = kept  # of the hooked layer: vectors by location
        self._cache = cache  # of the layers after it
        self._residual = residual  # after the last layer
        self._lengths = layout.lengths
        self.starts = [0, *torch.tensor(layout.lengths).cumsum(0).tolist()]
        self.vectors = kept[whole.place[0]]

    @property
    def predictions(self) -> Gpt2Predictions:
        """See CleanRun.predictions."""
        return Gpt2Predictions(self._whole, self._residual)

    @torch.inference_mode()
    def changed(self, tails: Sequence[Tail]) -> Gpt2Predictions:
        """See CleanRun.changed."""
        whole, (_location, layer_index) = self._whole, self._whole.place
        begins, ends = [tail.begin for tail in tails], [self._lengths[tail.window] for tail in tails]
        layout = Layout(begins, ends, whole.device)
        cache = self._cache.copy(torch.tensor([tail.window for tail in tails], device=whole.device))
        with multiplying(tf32=whole.tf32):
            residual = self._after_the_layer(tails, layout)
            for number in range(layer_index + 1, whole.subject.n_layers):
                residual = whole.layer(number, residual, layout, cache, _unchanged)
        return Gpt2Predictions(whole, residual)

    def _after_the_layer(self, tails: Sequence[Tail], layout: Layout) -> Tensor:
        """The residual stream after the hooked layer at the tails' tokens, with the differences."""
        (location, layer_index), subject = self._whole.place, self._whole.subject
        tokens, changed, begin = [], [], 0
        for tail, length in zip(tails, layout.lengths, strict=True):
            first = self.starts[tail.window] + tail.begin
            tokens.append(torch.arange(first, first + length))
            changed.append(torch.arange(begin, begin + len(tail.difference)))
            begin += length
        token, at = (torch.cat(parts).to(subject.device) for parts in (tokens, changed))
        difference = torch.cat([tail.difference for tail in tails]).to(subject.device, subject.dtype)
        residual = self._kept["resid_post_mlp"][token]
        if location in _WITHIN_A_LAYER:
            within = self._kept["resid_post_attn"][token[at]] + difference
            residual[at] = subject.after_attention(layer_index, within, _unchanged)
        else:
            residual[at] += subject.to_residual(difference, location, layer_index)
        return residual

    @torch.inference_mode()
    def direct_logits(self, tails: Sequence[Tail]) -> Tensor:
        """See CleanRun.direct_logits."""
        subject = self._whole.subject
        tokens = torch.tensor([self.starts[tail.window] + tail.begin for tail in tails], device=subject.device)
        difference = torch.stack([tail.difference[0] for tail in tails]).to(subject.device, subject.dtype)
        with multiplying(tf32=self._whole.tf32):
            added = subject.to_residual(difference, *self._whole.place)
            return self._whole.head.logits(self._residual[tokens] + added)


class Gpt2Generation:
    """Texts that are being continued, with the keys and values of their tokens. Satisfies whole_model.Generation."""

    def __init__(self, whole: WholeGpt2, num_texts: int, most: int, change: Change) -> None:
        self._whole = whole
        self._num_texts = num_texts
        self._most = most
        self._change = change
        self._cache = whole.cache(num_texts, most)
        self._length = 0

    @torch.inference_mode()
    def logits(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """See Generation.logits."""
        whole, subject = self._whole, self._whole.subject
        end = self._length + len(tokens[0])
        if end > self._most:
            raise SaescopeError(f"there is room for {self._most} tokens in a text, and not for {end}")
        layout = Layout([self._length] * self._num_texts, [end] * self._num_texts, whole.device)
        flat = torch.tensor([token for text in tokens for token in text], device=whole.device)

        def changed(where: str, vectors: Tensor) -> Tensor:
            if where != whole.place[0]:
                return vectors
            return vectors + self._change(vectors, layout.sequence, layout.position)

        with multiplying(tf32=whole.tf32):
            residual = subject.embedded(flat, layout.position)
            for number in range(subject.n_layers):
                at = changed if number == whole.place[1] else _unchanged
                residual = whole.layer(number, residual, layout, self._cache, at)
            self._length = end
            return whole.head.logits(residual.view(self._num_texts, -1, residual.shape[1])[:, -1])
