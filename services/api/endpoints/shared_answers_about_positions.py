"""What is said of positions in windows: where a run's tokens are, and where a feature fires."""

from services.api.response_types.positions import PositionRange, Positions, TokensAtPositions
from sparse_autoencoder.summaries.position_counts import FIRST_POSITIONS, KINDS, PositionCounts


def tokens_by_position(counts: PositionCounts) -> list[TokensAtPositions]:
    """How many counted tokens a run has at each range of positions, in rows' first windows and in later ones."""
    lasts = [*(first - 1 for first in FIRST_POSITIONS[1:]), None]
    return [
        {"windows": kind, "first": first, "last": last, "num_tokens": int(counts.tokens[k, r])}
        for k, kind in enumerate(KINDS)
        for r, (first, last) in enumerate(zip(FIRST_POSITIONS, lasts, strict=True))
    ]


def positions_of(counts: PositionCounts, feature_id: int) -> Positions:
    """Where in windows a feature fires."""
    firings = counts.count[..., feature_id].ravel().tolist()
    ranges: list[PositionRange] = [
        {
            "windows": place["windows"],
            "first": place["first"],
            "last": place["last"],
            "num_tokens": place["num_tokens"],
            "num_active_tokens": fired,
        }
        for place, fired in zip(tokens_by_position(counts), firings, strict=True)
    ]
    return {
        "early_share": float(counts.early_share()[feature_id]),
        "early_share_of_tokens": counts.early_share_of_tokens(),
        "cut_share": float(counts.cut_share()[feature_id]),
        "cut_share_of_tokens": counts.cut_share_of_tokens(),
        "ranges": ranges,
    }
