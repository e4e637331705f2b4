"""The committed demo model and autoencoder: features mean what the generator of headlines knows about its text.

For each concept one feature, and one threshold for it, is chosen on a calibration split; what is promised is then
measured on held-out rows. Both splits come from seeds that training never saw. A token belongs to a concept if it lies
in a span of it, or is the first or last token of one: who reads from the left knows a firm's name at its end.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import NamedTuple

import pytest
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from transformers import AutoTokenizer, GPT2LMHeadModel

from demo import AUTOENCODER, LAYER, SUBJECT
from demo.batches import bos_id
from demo.headlines import Headline, generate
from sparse_autoencoder.model import Autoencoder, TopK

CALIBRATION_SEED, HELD_OUT_SEED = 101, 303
ROWS = 4000
LEAST_F1 = 0.9
LEAST_SUPPORT = 50  # tokens of a concept, and tokens that look the same outside it, in the held-out rows
LEAST_SILENCE = 0.9


class Concept(NamedTuple):
    """Which tokens of the generator's spans with this label are meant."""

    label: str
    part: str = "all"  # or "first", "last"


CONCEPTS = [
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
]

# The same token ids also occur where they mean something else: "$" before a price target, "to" before a rating or a
# verb, the last part of a firm's name in a company's.
CONTEXT_DEPENDENT = [
    Concept("eps", "first"),
    Concept("deal_value", "first"),
    Concept("target_to"),
    Concept("analyst_firm", "last"),
]


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


@cache
def residuals(seed: int) -> tuple[Tensor, Tensor, list[set[Concept]]]:
    """(token ids, residual stream [n, width], concepts) of all tokens but BOS of `ROWS` rows."""
    tokenizer = Tokenizer.from_file(str(SUBJECT / "tokenizer.json"))
    model = GPT2LMHeadModel.from_pretrained(SUBJECT)
    headlines = list(generate(ROWS, seed))
    rows = defaultdict(list)
    for headline, encoding in zip(headlines, tokenizer.encode_batch([h.title for h in headlines]), strict=True):
        rows[len(encoding.ids)].append((headline, encoding))
    ids, hidden, concepts = [], [], []
    for same_length in rows.values():
        tokens = torch.tensor([[bos_id(tokenizer), *encoding.ids] for _, encoding in same_length])
        with torch.no_grad():
            states = model.transformer(tokens, output_hidden_states=True).hidden_states[LAYER + 1]
        ids.append(tokens[:, 1:].flatten())
        hidden.append(states[:, 1:].flatten(0, 1))
        concepts += [c for headline, encoding in same_length for c in token_concepts(headline, encoding)]
    return torch.cat(ids), torch.cat(hidden), concepts


def split_of(autoencoder: Autoencoder, seed: int) -> Split:
    ids, hidden, concepts = residuals(seed)
    activation = autoencoder.activation
    assert isinstance(activation, TopK)
    with torch.no_grad():
        normalised, _ = autoencoder.preprocess(hidden)
        values, latents = activation.sparse(autoencoder.encode_pre_act(normalised))
    return Split(ids, latents, values, concepts)


def load_autoencoder() -> Autoencoder:
    return Autoencoder.from_state_dict(torch.load(AUTOENCODER, weights_only=True))


@cache
def committed(seed: int) -> Split:
    return split_of(load_autoencoder(), seed)


def f1(fires: Tensor, belongs: Tensor) -> float:
    return 2 * float((fires & belongs).sum()) / float(fires.sum() + belongs.sum())


def best_detector(split: Split, concept: Concept) -> Detector:
    """The feature and threshold with the best F1, among the 12 features most often active at the concept's tokens."""
    belongs = split.belongs(concept)
    active = split.latents[belongs][split.values[belongs] > 0]
    best = (-1.0, Detector(0, 0.0))
    counts, features = active.bincount(minlength=12).topk(12)
    for feature in features[counts > 0].tolist():
        ranked, order = split.activations(feature).sort(descending=True)
        ranked = ranked[ranked > 0]
        right = belongs[order[: len(ranked)]].cumsum(dim=0)
        scores = 2 * right / (torch.arange(1, len(ranked) + 1) + belongs.sum())
        last = int(scores.argmax())  # the weakest activation that still counts
        below = float(ranked[last + 1]) if last + 1 < len(ranked) else 0.0
        best = max(best, (float(scores[last]), Detector(feature, (float(ranked[last]) + below) / 2)))
    return best[1]


@cache
def chosen(concept: Concept) -> Detector:
    return best_detector(committed(CALIBRATION_SEED), concept)


@pytest.mark.parametrize("concept", CONCEPTS, ids="-".join)
def test_one_feature_finds_the_concept_s_tokens_in_held_out_rows(concept: Concept) -> None:
    held_out = committed(HELD_OUT_SEED)
    belongs = held_out.belongs(concept)
    assert int(belongs.sum()) >= LEAST_SUPPORT
    assert f1(chosen(concept).fires(held_out), belongs) >= LEAST_F1


@pytest.mark.parametrize("concept", CONTEXT_DEPENDENT, ids="-".join)
def test_the_feature_is_silent_where_the_same_tokens_mean_something_else(concept: Concept) -> None:
    held_out = committed(HELD_OUT_SEED)
    belongs = held_out.belongs(concept)
    elsewhere = torch.isin(held_out.ids, torch.unique(held_out.ids[belongs])) & ~belongs
    assert int(elsewhere.sum()) >= LEAST_SUPPORT
    silent = ~chosen(concept).fires(held_out)[elsewhere]
    assert float(silent.float().mean()) >= LEAST_SILENCE


def test_context_dependent_concepts_are_among_those_that_are_found() -> None:
    assert set(CONTEXT_DEPENDENT) <= set(CONCEPTS)


def test_each_concept_has_a_feature_of_its_own() -> None:
    assert len({chosen(concept).feature for concept in CONCEPTS}) == len(CONCEPTS)


def test_an_untrained_autoencoder_does_not_pass_for_a_trained_one() -> None:
    torch.manual_seed(0)
    untrained = Autoencoder(2048, 128, load_autoencoder().activation, normalize=True)
    calibration, held_out = split_of(untrained, CALIBRATION_SEED), split_of(untrained, HELD_OUT_SEED)
    found = [
        concept
        for concept in CONCEPTS
        if f1(best_detector(calibration, concept).fires(held_out), held_out.belongs(concept)) >= LEAST_F1
    ]
    assert len(found) < len(CONCEPTS) / 2


def test_the_autoencoder_is_a_float32_state_dict_of_openai_s_topk_family() -> None:
    state = torch.load(AUTOENCODER, weights_only=True)
    assert state["encoder.weight"].shape == (2048, 128)
    assert state["decoder.weight"].shape == (128, 2048)
    assert state["activation"] == "TopK"
    assert {t.dtype for t in state.values() if isinstance(t, Tensor) and t.is_floating_point()} == {torch.float32}


def test_the_decoder_s_columns_have_unit_norm() -> None:
    norms = load_autoencoder().decoder.weight.norm(dim=0)
    torch.testing.assert_close(norms, torch.ones(2048), atol=1e-5, rtol=0)


def test_the_stored_statistics_are_those_of_the_data() -> None:
    autoencoder, split = load_autoencoder(), committed(HELD_OUT_SEED)
    indices, values = split.latents.flatten(), split.values.flatten()
    frequency = torch.zeros(2048).index_add(0, indices, (values > 0).float()) / len(split.ids)
    mean_square = torch.zeros(2048).index_add(0, indices, values.square()) / len(split.ids)
    # a sample of some 50,000 tokens, in rows whose tokens are far from independent
    assert float((autoencoder.latents_activation_frequency - frequency).abs().max()) < 0.01
    stored = autoencoder.latents_mean_square
    assert float((stored - mean_square).abs().sum() / stored.sum()) < 0.15


def test_the_reconstruction_explains_most_of_the_residual_stream() -> None:
    autoencoder = load_autoencoder()
    x = residuals(HELD_OUT_SEED)[1]
    with torch.no_grad():
        error = autoencoder.decode(*autoencoder.encode(x)) - x
    assert float(error.square().sum() / (x - x.mean(dim=0)).square().sum()) < 0.2


def test_the_tokenizer_loads_by_its_folder_and_gives_texts_back() -> None:
    tokenizer = AutoTokenizer.from_pretrained(SUBJECT)
    texts = [h.title for h in generate(300, HELD_OUT_SEED)]
    assert len(tokenizer) == 2000
    assert tokenizer.bos_token_id == 0
    assert [tokenizer.decode(tokenizer(text)["input_ids"]) for text in texts] == texts


def test_the_subject_model_has_learned_headlines() -> None:
    tokenizer = AutoTokenizer.from_pretrained(SUBJECT)
    model = GPT2LMHeadModel.from_pretrained(SUBJECT)
    tokens = torch.tensor(
        [[tokenizer.bos_token_id, *tokenizer("Goldman Sachs Maintains Neutral on Apple, Raises")["input_ids"]]]
    )
    with torch.no_grad():
        likeliest = int(model(tokens).logits[0, -1].argmax())
    assert tokenizer.decode([likeliest]) in (" Price", " PT")
