"""`saescope explain RUN --feature F --graph`: the patterns of tokens on which a feature fires, and their scores."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from services.commands.named_run import add_run_and_folder, open_named
from services.commands.tables import columns
from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.run_flags import at_least

if TYPE_CHECKING:
    from sparse_autoencoder.explanations.patterns import Pattern
    from sparse_autoencoder.questions.answer_types import FeatureGraph, GraphScores, Part
    from sparse_autoencoder.reading.run_view import RunView

_MOST_SHOWN = 30
_PATTERN_CHARS = 60


def add_explain_parser(commands: Any) -> None:
    """Add `explain`."""
    explain = commands.add_parser(
        "explain",
        help="explain a feature by the patterns of tokens on which it fires",
        description="Find the patterns of tokens on which a feature of a run fires (neuron-to-graph), from the "
        "feature's examples, and how well they predict it in other texts of the run. Needs the run's models.",
    )
    add_run_and_folder(explain)
    explain.add_argument("--feature", type=at_least(0), required=True, metavar="F", help="the feature's number")
    explain.add_argument("--graph", action="store_true", required=True, help="by patterns of tokens")
    explain.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write the patterns to a file, as OpenAI's explanations.py reads them",
    )
    explain.add_argument("--device", help="compute on this device, as cpu or cuda (default: the run's own)")
    explain.set_defaults(handler=explain_command)


def explain_command(args: argparse.Namespace) -> int:
    """Print a feature's patterns and how well they predict it; SaescopeError if it can't be explained."""
    view = open_named(args.run, args.runs)
    graph = _graph(view, args.feature, args.device)
    print(f"feature {args.feature} of run {view.metadata.run_id}, by {graph['num_sources']} examples")
    print(_patterns_in_lines(graph))
    print(_scores_in_lines(graph["scores"]))
    if args.json is not None:
        try:
            args.json.write_text(json.dumps(graph["explanation"], ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise SaescopeError(f"can't write {args.json}: {error.strerror or error}") from error
    return 0


def _graph(view: RunView, feature_id: int, device: str | None) -> FeatureGraph:
    """The explanation that is kept, or else a new one, with progress."""
    from sparse_autoencoder.utils.progress_lines import shown

    told = "reading the run"
    with shown(lambda: told):
        for part in _parts(view, feature_id, device):
            if "progress" in part:
                progress = part["progress"]
                told = f"{progress['what']}, {progress['done']:,} of {progress['of']:,}"
            elif "result" in part:
                return cast("FeatureGraph", part["result"])
    raise SaescopeError(f"feature {feature_id} got no explanation: ask again")


def _parts(view: RunView, feature_id: int, device: str | None) -> Iterator[Part]:
    from sparse_autoencoder.cli import need_torch
    from sparse_autoencoder.questions.question_types import ExplainByGraph

    if (kept := _kept(view, feature_id)) is not None:
        yield {"result": cast("dict[str, Any]", kept)}
        return
    need_torch()
    from sparse_autoencoder.effects.whole_run_models import RunModels
    from sparse_autoencoder.explanations.answers import explain_by_graph

    yield {"progress": {"done": 0, "of": 1, "what": "loading the models"}}
    options = view.metadata.options
    models = RunModels.load(view.metadata, options if device is None else options.model_copy(update={"device": device}))
    yield from explain_by_graph(models.encoder, view, ExplainByGraph(feature_id=feature_id))


def _kept(view: RunView, feature_id: int) -> FeatureGraph | None:
    """The explanation that is kept; a damaged one is made anew."""
    record = view.record(feature_id)
    with suppress(DamagedError):
        return view.graphs.kept(feature_id, record)
    return None


def _patterns_in_lines(graph: FeatureGraph) -> str:
    from sparse_autoencoder.explanations.graph_form import patterns_in

    patterns = patterns_in(graph["roots"])
    if not patterns:
        return "no pattern: in none of them does it matter which tokens there are"
    rows = [
        (_shown(one), f"{one.num_examples}", f"{one.num_fired} of {one.num_checked}", f"{one.activation:.3g}")
        for one in patterns[:_MOST_SHOWN]
    ]
    more = len(patterns) - len(rows)
    return columns([("PATTERN", "EXAMPLES", "FIRES ELSEWHERE", "PREDICTS"), *rows]) + (
        f"\nand {more} more patterns" if more else ""
    )


def _shown(pattern: Pattern[str]) -> str:
    """A pattern as one reads it: tokens between quotation marks, (*) for any token, (^) for a window's beginning."""
    parts = ["(^)"] if pattern.at_start else []
    literal = ""
    for token in (*pattern.tokens, None):
        if token is not None:
            literal += token
            continue
        parts += [f"'{literal}'", "(*)"] if literal else ["(*)"]
        literal = ""
    text = " ".join(parts[:-1])
    return text if len(text) <= _PATTERN_CHARS else f"…{text[1 - _PATTERN_CHARS :]}"


def _scores_in_lines(scores: GraphScores) -> str:
    recall, precision, explained = scores["recall"], scores["precision"], scores["explained"]
    num_predicted, num_checked = scores.get("num_predicted", 0), scores.get("num_checked", 0)
    rows = [
        (
            "recall",
            "unknown" if recall is None else f"{recall:.0%}",
            f"of {scores['num_examples']} random firings in other texts are predicted",
        ),
        (
            "precision",
            "unknown" if precision is None else f"{precision:.0%}",
            f"of {num_checked} tokens at which a pattern fits are firings; patterns fit at {num_predicted:,} of "
            f"{scores['num_tokens']:,} tokens in {scores['num_rows']:,} rows",
        ),
        (
            "explained",
            "unknown" if explained is None else f"{explained:.2f}",
            "of the activations' mean square over all tokens",
        ),
    ]
    return "\n".join(f"{name.ljust(9)}  {value.rjust(7)}  {told}" for name, value, told in rows)
