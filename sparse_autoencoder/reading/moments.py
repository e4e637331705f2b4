"""A feature's moments over a run's counted tokens, as OpenAI's viewer has them: zeros included, and not centred."""

from __future__ import annotations

from dataclasses import dataclass

from sparse_autoencoder.reading.run_view import RunView


@dataclass(frozen=True)
class Moments:
    """With a the activation at a counted token, 0 where the feature doesn't fire."""

    density: float  # E[a > 0]
    mean: float  # E[a]
    mean_square: float  # E[a²]
    skew: float  # E[a³] / E[a²]^1.5; 0 for a feature that never fired
    kurtosis: float  # E[a⁴] / E[a²]²; 0 for a feature that never fired


def moments_of(run: RunView, feature_id: int) -> Moments:
    """A feature's moments; IndexError for an unknown id."""
    statistics, num_tokens = run.statistics, max(run.metadata.num_tokens, 1)
    mean, mean_square, mean_cube, mean_fourth = (float(total[feature_id]) / num_tokens for total in statistics.sums)
    return Moments(
        density=int(statistics.count[feature_id]) / num_tokens,
        mean=mean,
        mean_square=mean_square,
        skew=mean_cube / mean_square**1.5 if mean_square else 0.0,
        kurtosis=mean_fourth / mean_square**2 if mean_square else 0.0,
    )
