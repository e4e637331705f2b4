"""Explanations of features by patterns of tokens (neuron-to-graph); here are the names of OpenAI's explanations.py."""

from sparse_autoencoder.explanations.batches import apply_batched, batch_parallelize, batched
from sparse_autoencoder.explanations.neuron_to_graph import Explanation, NtgExplanation, create_n2g_explanation

__all__ = [
    "Explanation",
    "NtgExplanation",
    "apply_batched",
    "batch_parallelize",
    "batched",
    "create_n2g_explanation",
]
