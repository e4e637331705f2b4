"""Parts of answers about a run that several groups of endpoints give."""

from typing import TypeVar

from services.api.response_types.features import Live
from services.api.response_types.tokens import TokenChip
from sparse_autoencoder.reading.run_view import RunView

TOKENS_PER_FEATURE = 5
A = TypeVar("A", bound=Live)


def with_live(answer: A, run: RunView) -> A:
    """The answer; for an unfinished run also with the keys that say so."""
    if run.live:
        answer["live"] = True
        answer["num_records"] = run.metadata.num_records
    return answer


def metrics_of(run: RunView, feature_id: int) -> dict[str, float]:
    """A feature's value by each metric."""
    return {name: float(values[feature_id]) for name, values in run.statistics.metrics.items()}


def max_activation(run: RunView, feature_id: int) -> float:
    """A feature's largest activation in the run."""
    return float(run.statistics.metrics["max_activation"][feature_id])


def density(run: RunView, feature_id: int) -> float:
    """The share of the run's counted tokens at which a feature fires."""
    return int(run.statistics.count[feature_id]) / max(run.metadata.num_tokens, 1)


def token_chips(run: RunView, feature_id: int) -> list[TokenChip]:
    """The tokens at which a feature's examples are strongest, each once."""
    ids = run.overview.tokens.of(feature_id, TOKENS_PER_FEATURE)
    texts = run.vocabulary.strings(ids)
    return [{"token_id": token_id, "token": text} for token_id, text in zip(ids, texts, strict=True)]
