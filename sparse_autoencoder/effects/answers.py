"""The answers about a feature's effects, in parts as questions/answer_types.py has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from sparse_autoencoder.effects.whole_run_models import RunModels
from sparse_autoencoder.questions.answer_types import ExampleEffects, FeatureEffects, Part, SteeredTexts
from sparse_autoencoder.questions.question_types import AblateFeature, Steer
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.reading.shown_examples import shown_examples
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.store import NotFoundError


def ablate_feature(models: RunModels, view: RunView, wanted: AblateFeature) -> Iterator[Part]:
    """What the activations in a feature's shown examples do: progress, ExampleEffects by and by, FeatureEffects.

    The result of a finished run is kept in its folder (runs/effects_file.py). If it is there already, and of the
    examples that are shown now, it is given at once. `models` are those of the view's run.

    Raises SaescopeError for an unknown feature, or files that can't be read or written.
    """
    from sparse_autoencoder.effects.ablation import Ablated, feature_effects

    feature = wanted.feature_id
    models.check_feature(feature)
    with suppress(NotFoundError):
        yield {"result": dict(view.effects(feature))}
        return
    examples = [
        Ablated(example["row_id"], example["window_offset"], tuple(example["token_ids"]), example["position"])
        for example in shown_examples(view.feature(feature))
    ]
    found: list[ExampleEffects] = []
    yield _progress(0, len(examples), "examples")
    for effects in feature_effects(
        models.whole, models.encoder.latents, feature, examples, view.vocabulary.strings, models.encoder.moved
    ):
        found.append(effects)
        yield {"piece": dict(effects)}
        yield _progress(len(found), len(examples), "examples")
    if not view.live:
        view.folder.read_metadata()  # raises NotFoundError if the run was deleted meanwhile
        view.folder.store.put(view.folder.effects(feature), effects_file.to_bytes(feature, found))
    result: FeatureEffects = {"feature_id": feature, "examples": found}
    yield {"result": dict(result)}


def steer(models: RunModels, view: RunView, wanted: Steer) -> Iterator[Part]:
    """A prompt continued with a feature turned up or down, and without: GeneratedToken by and by, then SteeredTexts.

    The prompt's tokens follow BOS if the run's windows begin with one, which is not steered. `models` are those of the
    view's run.

    Raises SaescopeError for an unknown feature, a strength that is no number or too large, or a prompt that is too long
    for the model.
    """
    from sparse_autoencoder.effects.steering import Prompt, Sampling, Steering, TokenNames, steered_and_plain

    models.check_feature(wanted.feature_id)
    policy = view.metadata.policy
    before = [policy.bos_token_id] if policy.prepends_bos and policy.bos_token_id is not None else []
    token_ids = models.tokenizer.encode([wanted.prompt])[0].tolist()
    parts = steered_and_plain(
        models.whole,
        models.encoder.latents,
        Steering(wanted.feature_id, wanted.mode, wanted.strength),
        Prompt([*before, *token_ids], len(before)),
        Sampling(wanted.num_tokens, wanted.temperature, wanted.seed),
        TokenNames(models.token_bytes, models.end_token_ids),
    )
    while True:
        try:
            piece = next(parts)
        except StopIteration as ended:
            steered, plain = ended.value
            break
        models.encoder.moved()
        yield {"piece": dict(piece)}
    result: SteeredTexts = {
        "feature_id": wanted.feature_id,
        "prompt": wanted.prompt,
        "steered": steered,
        "plain": plain,
    }
    yield {"result": dict(result)}


def _progress(done: int, of: int, what: str) -> Part:
    return {"progress": {"done": done, "of": of, "what": what}}
