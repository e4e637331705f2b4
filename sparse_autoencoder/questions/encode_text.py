"""Which features fire at each token of a text, or of a stretch of a row: `encode_text` and `encode_row`.

Windows, precision and kernels are those of the run's chunks, so a row's values are the run's own. On a CPU with
oneDNN's packed weights they are so to the bit, in float32 and in bfloat16: there a row of a matrix product doesn't
depend on how many others are computed with it, unless it is the only one. Two things may still differ in the last
digit: a vector that was the only one of its batch in the run, and, where pre-activations are screened in bfloat16
(kernels/cpu_screened_top_k.py), those of a batch in which screening was given up. Elsewhere values are equal up to
rounding.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.data.row_skip_rules import SkippedRow, record_of
from sparse_autoencoder.errors import BadQuestionError, SaescopeError
from sparse_autoencoder.questions.answer_types import EncodedText, FeatureInText
from sparse_autoencoder.questions.question_types import MOST_TOKENS, EncodeRow, EncodeText
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.tokens.chunks import tokenise
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.numpy_array_ops import Ints

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder

MARKER = -1  # the place of a BOS that counts


def encode_text(encoder: Encoder, tokenizer: RowTokenizer, view: RunView, wanted: EncodeText) -> EncodedText:
    """What fires in a text that is taken as the run takes its rows: stripped, checked, cut into windows.

    `encoder` is the run's, `tokenizer` its subject model's. BadQuestionError for a text that would be skipped as a row,
    or has more than MOST_TOKENS tokens; SaescopeError if an activation isn't finite.
    """
    record = record_of(0, wanted.text)
    if isinstance(record, SkippedRow):
        raise BadQuestionError(f"this text can't be looked at ({record.reason}): write some words")
    whole = tokenise(0, [record], tokenizer, _KEEPS_ALL)
    if whole.skipped:
        raise BadQuestionError(f"this text can't be looked at: {whole.skipped[0].reason}")
    kept = whole.tokens[: encoder.policy.keep(len(whole.tokens))]
    if len(kept) > MOST_TOKENS:
        raise BadQuestionError(
            f"this text has {len(kept):,} tokens, and {MOST_TOKENS:,} can be looked at at once: take a part of it"
        )
    if not len(kept):
        raise BadQuestionError("this text has no tokens: write some words")
    return _encoded(encoder, view, kept, (0, len(kept)), num_tokens=len(whole.tokens))


def encode_row(encoder: Encoder, view: RunView, wanted: EncodeRow) -> EncodedText:
    """What fires in a stretch of a row of the run, whose tokens are those that the run kept.

    NotFoundError without such a row; BadQuestionError for a row that was skipped, or has no tokens there.
    """
    row = view.rows.row(wanted.row_id)
    if row.skipped is not None:
        raise BadQuestionError(f"row {wanted.row_id} was skipped ({row.skipped}), so it has no tokens")
    num_tokens = len(row.token_ids)
    if wanted.first >= num_tokens:
        raise BadQuestionError(f"row {wanted.row_id} has {num_tokens:,} tokens, so none from {wanted.first:,} on")
    last = min(wanted.first + wanted.num_tokens, num_tokens)
    return _encoded(encoder, view, np.array(row.token_ids, np.int32), (wanted.first, last), num_tokens)


_KEEPS_ALL = TokenPolicy(None, bos="none")  # tokenising a row with it drops no tokens


def _encoded(
    encoder: Encoder, view: RunView, tokens: NDArray[np.int32], stretch: tuple[int, int], num_tokens: int
) -> EncodedText:
    """The answer about the tokens in a stretch of a row's `tokens`."""
    first, last = stretch
    policy = encoder.policy
    begins = policy.counted_offsets(len(tokens))
    touching = slice(bisect_right(begins, first) - 1, bisect_left(begins, last))
    windows = _windows(tokens, policy, touching, encoder.subject.vocab_size)
    encoder.check_tokens(windows)  # a row's file may be damaged
    ids = tokens.tolist()
    return {
        "tokens": view.vocabulary.joined(ids)[first:last],
        "token_ints": ids[first:last],
        "first": first,
        "num_tokens": num_tokens,
        "windows": [max(begin - first, 0) for begin in begins[touching]],
        "features": _features(encoder, windows, stretch),
    }


def _windows(tokens: NDArray[np.int32], policy: TokenPolicy, touching: slice, vocab_size: int) -> Windows:
    """The windows of a row that count some of a stretch, as row 0; and of row 1 companions of those with one vector.

    A companion has other tokens. With it no matrix product has a single row, whose last digits may differ.
    """
    others = (tokens + 1) % vocab_size
    starts = np.arange(3, dtype=np.int64) * len(tokens)
    both = windows_of(np.arange(2), np.concatenate([tokens, others.astype(np.int32)]), starts, policy)
    half = len(both) // 2
    own = np.arange(half)[touching]
    lonely = own[both.counted_lengths[own] == 1]
    return both.take(np.concatenate([own, half + lonely]))


def _features(encoder: Encoder, windows: Windows, stretch: tuple[int, int]) -> list[FeatureInText]:
    """What fires in the windows of row 0 at places in the stretch, or on a marker."""
    place, feature, value = _activations(encoder, windows)
    first, last = stretch
    inside = (place == MARKER) | ((place >= first) & (place < last))
    place, feature, value = np.where(place < 0, MARKER, place - first)[inside], feature[inside], value[inside]
    if not np.isfinite(value).all():
        raise SaescopeError("an activation in this text isn't finite: the models give no numbers for it")
    # markers of several windows are one place; they differ in rounding at most
    order = np.lexsort((-value, place, feature))
    place, feature, value = place[order], feature[order], value[order]
    once = np.ones(len(place), bool)
    once[1:] = (place[1:] != place[:-1]) | (feature[1:] != feature[:-1])
    place, feature, value = place[once], feature[once], value[once]
    ids, begins = np.unique(feature, return_index=True)
    if not len(ids):
        return []
    bounds = [*begins.tolist(), len(feature)]
    largest = np.maximum.reduceat(value, begins)
    return [
        {
            "feature_id": int(ids[one]),
            "at": place[bounds[one] : bounds[one + 1]].tolist(),
            "values": value[bounds[one] : bounds[one + 1]].tolist(),
        }
        for one in np.lexsort((ids, -largest)).tolist()
    ]


def _activations(encoder: Encoder, windows: Windows) -> tuple[Ints, Ints, NDArray[np.float32]]:
    """The activations at the counted tokens of row 0: each one's place in the row, feature and value."""
    from sparse_autoencoder.pipeline.chunk_encoder import on_host

    token, feature, value = on_host(encoder.activations(windows))
    window = np.searchsorted(windows.starts, token, side="right") - 1
    position = token - windows.starts[window] - int(encoder.policy.prepends_bos)
    place = np.where(position < 0, MARKER, encoder.policy.window_offsets(windows.numbers[window]) + position)
    own = windows.row_ids[window] == 0
    return place[own].astype(np.int64), feature[own].astype(np.int64), value[own]
