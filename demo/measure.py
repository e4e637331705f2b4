"""Measure how well single features of the demo's autoencoder stand for concepts of the generated headlines.

    python -m demo.measure

For each concept the feature and threshold with the best F1 are chosen on rows of one seed and measured on rows of
another; training saw neither. A token belongs to a concept if it lies in a span of it, or is the first or last token of
one: who reads from the left knows a firm's name at its end. "Silent elsewhere" is the share of tokens with the same
ids, but another meaning, at which the feature doesn't fire. Run this after `demo/train.py`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import NamedTuple

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from transformers import GPT2LMHeadModel

from demo import AUTOENCODER, LAYER, SUBJECT
from demo.batches import bos_id
from demo.headlines import Headline, generate
from sparse_autoencoder.model import Autoencoder, TopK

CALIBRATION_SEED, HELD_OUT_SEED = 101, 303
CANDIDATES = 12  # features that are looked at for a concept: those most often active at its tokens


class Concept(NamedTuple):
    """Which tokens of the generator's spans with this label are meant."""

    label: str
    part: str = "all"  # or "first", "last"


CONCEPTS = (
    Concept("percentage", "first"),
    Concept("quarter", "first"),
    Concept("downgrade"),
    Concept("analyst_firm", "last"),
    Concept("target_to"),
    Concept("eps", "first"),
    Concept("deal_value", "first"),
    Concept("earnings_beat"),
    Concept("coverage", "last"),
    Concept("merger", "last"),
)


class Split(NamedTuple):
    """All tokens of some rows but BOS: ids [n], strongest latents and these' values [n, k], concepts."""

    ids: Tensor
    latents: Tensor
    values: Tensor
    concepts: list[set[Concept]]

    def belongs(self, concept: Concept) -> Tensor:
        """Which tokens belong to the concept, bool [n]."""
        return torch.tensor([concept in concepts for concepts in self.concepts])

    def activations(self, feature: int) -> Tensor:
        """The feature's activation at every token, [n]."""
        return (self.values * (self.latents == feature)).sum(dim=1)


class Detector(NamedTuple):
    """A feature that stands for a concept where it is above a threshold."""

    feature: int
    threshold: float

    def fires(self, split: Split) -> Tensor:
        """Where it fires, bool [n]."""
        return split.activations(self.feature) > self.threshold


class Measured(NamedTuple):
    """A concept's feature on held-out rows."""

    concept: Concept
    feature: int
    tokens: int  # of the concept
    f1: float
    silent_elsewhere: float  # NaN if its token ids occur nowhere else


def load_autoencoder() -> Autoencoder:
    """The committed autoencoder."""
    return Autoencoder.from_state_dict(torch.load(AUTOENCODER, weights_only=True))


def measure(autoencoder: Autoencoder, rows: int) -> list[Measured]:
    """Measure every concept on this many rows for choosing and for measuring."""
    calibration, held_out = (split_of(autoencoder, rows, seed) for seed in (CALIBRATION_SEED, HELD_OUT_SEED))
    return [measured(best_detector(calibration, concept), held_out, concept) for concept in CONCEPTS]


def measured(detector: Detector, split: Split, concept: Concept) -> Measured:
    """Measure one concept's detector."""
    belongs, fires = split.belongs(concept), detector.fires(split)
    elsewhere = torch.isin(split.ids, torch.unique(split.ids[belongs])) & ~belongs
    silent = float((~fires[elsewhere]).float().mean())
    return Measured(concept, detector.feature, int(belongs.sum()), f1(fires, belongs), silent)


def f1(fires: Tensor, belongs: Tensor) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * float((fires & belongs).sum()) / float(fires.sum() + belongs.sum())


def best_detector(split: Split, concept: Concept) -> Detector:
    """The feature and threshold with the best F1 for the concept."""
    belongs = split.belongs(concept)
    active = split.latents[belongs][split.values[belongs] > 0]
    best = (-1.0, Detector(0, 0.0))
    counts, features = active.bincount(minlength=CANDIDATES).topk(CANDIDATES)
    for feature in features[counts > 0].tolist():
        ranked, order = split.activations(feature).sort(descending=True)
        ranked = ranked[ranked > 0]
        right = belongs[order[: len(ranked)]].cumsum(dim=0)
        scores = 2 * right / (torch.arange(1, len(ranked) + 1) + belongs.sum())
        last = int(scores.argmax())  # the weakest activation that still counts
        below = float(ranked[last + 1]) if last + 1 < len(ranked) else 0.0
        best = max(best, (float(scores[last]), Detector(feature, (float(ranked[last]) + below) / 2)))
    return best[1]


def split_of(autoencoder: Autoencoder, rows: int, seed: int) -> Split:
    """Encode the tokens of generated rows."""
    ids, hidden, concepts = residuals(rows, seed)
    activation = autoencoder.activation
    if not isinstance(activation, TopK):
        raise TypeError("the demo's autoencoder must be of the TopK family")
    with torch.no_grad():
        normalised, _ = autoencoder.preprocess(hidden)
        values, latents = activation.sparse(autoencoder.encode_pre_act(normalised))
    return Split(ids, latents, values, concepts)


def residuals(rows: int, seed: int) -> tuple[Tensor, Tensor, list[set[Concept]]]:
    """(token ids, residual stream [n, width], concepts) of all tokens but BOS of generated rows."""
    tokenizer = Tokenizer.from_file(str(SUBJECT / "tokenizer.json"))
    model = GPT2LMHeadModel.from_pretrained(SUBJECT)
    headlines = list(generate(rows, seed))
    by_length = defaultdict(list)
    for headline, encoding in zip(headlines, tokenizer.encode_batch([h.title for h in headlines]), strict=True):
        by_length[len(encoding.ids)].append((headline, encoding))
    ids, hidden, concepts = [], [], []
    for same_length in by_length.values():
        tokens = torch.tensor([[bos_id(tokenizer), *encoding.ids] for _, encoding in same_length])
        with torch.no_grad():
            states = model.transformer(tokens, output_hidden_states=True).hidden_states[LAYER + 1]
        ids.append(tokens[:, 1:].flatten())
        hidden.append(states[:, 1:].flatten(0, 1))
        concepts += [c for headline, encoding in same_length for c in token_concepts(headline, encoding)]
    return torch.cat(ids), torch.cat(hidden), concepts


def token_concepts(headline: Headline, encoding: Encoding) -> list[set[Concept]]:
    """The concepts of each token of the headline."""
    concepts: list[set[Concept]] = [set() for _ in encoding.ids]
    for start, end, label in headline.spans:
        inside = [i for i, (left, right) in enumerate(encoding.offsets) if left < end and right > start]
        for i in inside:
            concepts[i].add(Concept(label))
        concepts[inside[0]].add(Concept(label, "first"))
        concepts[inside[-1]].add(Concept(label, "last"))
    return concepts


def main() -> None:
    """Print a line for each concept."""
    parser = argparse.ArgumentParser(prog="python -m demo.measure", description="measure the demo's features")
    parser.add_argument("--rows", type=int, default=4000, help="rows for choosing and for measuring (%(default)s each)")
    rows = parser.parse_args().rows
    print("concept               feature  tokens     F1  silent elsewhere")
    for found in measure(load_autoencoder(), rows):
        name = "-".join(found.concept)
        print(f"{name:22}{found.feature:7}{found.tokens:8}{found.f1:7.3f}{found.silent_elsewhere:18.3f}")


if __name__ == "__main__":
    main()
