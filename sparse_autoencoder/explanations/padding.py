"""Which token stands for no token in particular, in a model's vocabulary.

OpenAI's explanations.py pads with " _", a token that GPT-2 has and that says next to nothing. A feature may fire on it
all the same, and then no token would seem to matter. So it is the first of a few such tokens that the vocabulary has
and the feature doesn't fire on; if it fires on all of them, the first, as then it isn't the token that matters.
"""

from __future__ import annotations

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations.minimal_texts import ModelFunction
from sparse_autoencoder.reading.token_strings import Vocabulary

_MEANINGLESS = (" _", "_", " |", "|", " ~", "~", " -", "-", " .", ".")


def padding_token(vocabulary: Vocabulary, model_fn: ModelFunction) -> int:
    """The padding token for a feature; SaescopeError if the vocabulary has none that could be one."""
    there = [token_id for string in _MEANINGLESS for token_id in vocabulary.named(string)]
    if not there:
        raise SaescopeError(
            f"the model's vocabulary has none of the tokens {', '.join(map(repr, _MEANINGLESS))} to pad texts "
            "with: such a model's features can't be explained by patterns"
        )
    alone = [activations[0] for activations in model_fn([[token_id] for token_id in there])]
    return next((token_id for token_id, activation in zip(there, alone, strict=True) if activation <= 0), there[0])
