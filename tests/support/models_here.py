"""Answers of every kind to questions to models, without models: for the form of what the API sends."""

from __future__ import annotations

from services.api.models.asking import Asked
from sparse_autoencoder.questions.answer_types import ExampleEffects, FeatureGraph, GeneratedText, PushedTokens
from sparse_autoencoder.questions.question_types import AblateFeature, ExplainByGraph, Question, Steer
from tests.support.told_models import TOLD

PUSHED: PushedTokens = {"token_ids": [1], "tokens": [" a"], "by": [0.5]}
EFFECTS: ExampleEffects = {
    "row_id": 0,
    "offset": 0,
    "idx": 0,
    "act": 1.0,
    "loss_change": [0.5],
    "kl": [0.25],
    "direct_loss_change": [0.5],
    "pushed": [{"up_logits": PUSHED, "down_logits": PUSHED, "up_probs": PUSHED, "down_probs": PUSHED}],
}
GENERATED: GeneratedText = {
    "text": " a",
    "token_ids": [1],
    "tokens": [" a"],
    "log_probs": [-0.5],
    "unsteered_log_probs": [-0.5],
    "unsteered_perplexity": 1.6,
}
GRAPH: FeatureGraph = {
    "feature_id": 1,
    "num_sources": 1,
    "roots": [{"token": None, "token_id": None, "before": [{"token": " a", "token_id": 1, "before": []}]}],
    "scores": {
        "num_examples": 1,
        "num_rows": 1,
        "num_tokens": 1,
        "recall": 1.0,
        "precision": None,
        "explained": None,
    },
    "explanation": {"trie": {}},
}


class ModelsHere:
    """The interface AskModels, which answers as it is told, or with a problem of a status."""

    def __init__(self) -> None:
        self.status: int | None = None

    async def why_not(self) -> str | None:
        """Nothing."""
        return None

    async def ask(self, question: Question, patience_s: float) -> Asked:
        """A question whose answer is there already."""
        asked = Asked(question, patience_s)
        if self.status is not None:
            asked.refuse(self.status, "it is as it is")
        elif isinstance(question.wanted, AblateFeature):
            asked.give({"progress": {"done": 0, "of": 1, "what": "examples"}})
            asked.give({"piece": {**EFFECTS}})
            asked.give({"result": {"feature_id": 1, "examples": [EFFECTS]}})
        elif isinstance(question.wanted, Steer):
            asked.give({"piece": {"steered": True, "token_id": 1, "token": " a", "log_prob": -0.5}})
            asked.give({"result": {"feature_id": 1, "prompt": "a", "steered": GENERATED, "plain": GENERATED}})
        elif isinstance(question.wanted, ExplainByGraph):
            asked.give({"result": {**GRAPH}})
        else:
            asked.give({"result": {**TOLD}})
        return asked

    async def close(self) -> None:
        """Do nothing."""
