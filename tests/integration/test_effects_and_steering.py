"""`saescope effects` and `saescope steer`: what they print, keep and refuse."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from services.cli import main
from sparse_autoencoder.effects.answers import ablate_feature, steer
from sparse_autoencoder.effects.whole_run_models import RunModels
from sparse_autoencoder.questions.question_types import AblateFeature, Steer
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.reading.shown_examples import place_of, shown_examples
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from tests.support.commands import COMMAND, environment, small_run
from tests.support.runs import one_thread


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    root = tmp_path_factory.mktemp("made")
    with one_thread():
        return root / small_run(DirectoryStore(root), tmp_path_factory.mktemp("source"))


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A folder with a copy of that run."""
    shutil.copytree(made, tmp_path / "my runs" / made.name)
    return tmp_path / "my runs"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with one_thread():
        status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def view_of(runs: Path) -> RunView:
    return RunLibrary(DirectoryStore(runs)).newest()


def active(runs: Path, number: int) -> list[int]:
    """Some features that fire."""
    found: list[int] = view_of(runs).statistics.count.nonzero()[0][:number].tolist()
    return found


def test_effects_are_computed_once_and_read_without_the_models(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = active(runs, 2)
    with pytest.raises(NotFoundError, match=f"saescope effects {view_of(runs).metadata.run_id} --features {first}"):
        view_of(runs).effects(first)
    status, out, err = asked(capsys, "effects", "latest", "--runs", runs, "--features", f"{first}, {second}")
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == [f"feature {first}", f"feature {second}"]
    view = view_of(runs)
    effects = view.effects(first)
    shown = shown_examples(view.feature(first))
    assert [(one["row_id"], one["offset"], one["idx"]) for one in effects["examples"]] == list(map(place_of, shown))
    for one, example in zip(effects["examples"], shown, strict=True):
        assert one["act"] == pytest.approx(example["activation"], rel=1e-4)
        assert len(one["loss_change"]) == len(example["token_ids"]) - 1
    file = next((runs / view.metadata.run_id / "effects").iterdir())
    before = file.stat().st_mtime_ns
    assert asked(capsys, "effects", "latest", "--runs", runs, "--features", f"{second},{first}")[:2] == (
        0,
        "2 of 2 features are there already\n",
    )
    assert file.stat().st_mtime_ns == before


def test_the_first_features_of_the_list_can_be_asked_for(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _err = asked(capsys, "effects", "latest", "--runs", runs, "--features", "top:2")
    assert status == 0
    assert len(out.splitlines()) == len(list(runs.glob("*/effects/*"))) == 2


def test_effects_of_other_examples_are_not_shown_and_damaged_ones_are_computed_again(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = active(runs, 2)
    asked(capsys, "effects", "latest", "--runs", runs, "--features", f"{first},{second}")
    files = sorted(runs.glob("*/effects/*"))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-20])
    status, out, _ = asked(capsys, "effects", "latest", "--runs", runs, "--features", f"{first},{second}")
    assert (status, out.splitlines()[0]) == (0, "1 of 2 features are there already")
    assert files[0].read_bytes() == whole
    view = view_of(runs)
    record = view.feature(first)
    assert len(shown_examples(record)) > 1
    # as after a run was retried, with other examples
    view.feature = lambda _id: record | {"top": [], "random": record["random"][:1], "bands": []}  # type: ignore[method-assign, assignment]
    with pytest.raises(NotFoundError, match="wasn't computed yet"):
        view.effects(first)


def test_an_answer_comes_in_parts_and_the_second_time_at_once(runs: Path) -> None:
    view, (feature,) = view_of(runs), active(runs, 1)
    with one_thread():
        models = RunModels.load(view.metadata)
        parts = list(ablate_feature(models, view, AblateFeature(feature_id=feature)))
        again = list(ablate_feature(models, view, AblateFeature(feature_id=feature)))
    pieces = [part["piece"] for part in parts if "piece" in part]
    assert parts[-1] == {"result": {"feature_id": feature, "examples": pieces}}
    progress = [(part["progress"]["done"], part["progress"]["of"]) for part in parts if "progress" in part]
    assert progress == [(done, len(pieces)) for done in range(len(pieces) + 1)]
    assert again == [{"result": dict(view.effects(feature))}] == [parts[-1]]


def test_an_answer_ends_when_whoever_waits_has_gone(runs: Path) -> None:
    class GoneError(Exception):
        pass

    def gone() -> None:
        raise GoneError

    view, (feature,) = view_of(runs), active(runs, 1)
    with one_thread():
        models = RunModels.load(view.metadata)
        models.encoder.moved = gone
        with pytest.raises(GoneError):
            list(ablate_feature(models, view, AblateFeature(feature_id=feature)))
        with pytest.raises(GoneError):
            list(steer(models, view, Steer(feature_id=feature, prompt="Apple", strength=1.0)))
    assert list(runs.glob("*/effects/*")) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_where_the_run_s_device_is_not_its_models_are_loaded_on_what_there_is(runs: Path) -> None:
    metadata = view_of(runs).metadata
    there = metadata.model_copy(update={"options": metadata.options.model_copy(update={"device": "cuda"})})
    assert RunModels.load(there).whole.device.type == "cpu"


def test_ctrl_c_keeps_what_is_done(runs: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "effects", "latest", "--runs", str(runs), "--features", "top:200"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, process.stderr.read()
    feature = int(line.split()[1].rstrip(":"))
    assert view_of(runs).effects(feature)["examples"]


@pytest.mark.parametrize(
    ("features", "complaint"),
    [
        ("1,x", "--features 1,x is neither a list, as 1,5,10-19, nor top:N, as top:20"),
        ("top:0", "--features top:0 is neither a list, as 1,5,10-19, nor top:N"),
        ("1,256", "has the features 0 to 255"),
    ],
)
def test_features_that_there_are_not_are_refused(
    features: str, complaint: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = asked(capsys, "effects", "latest", "--runs", runs, "--features", features)
    assert status == 2
    assert complaint in err


def test_both_texts_are_printed_with_their_perplexities(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (feature,) = active(runs, 1)
    flags = ("--runs", runs, "--feature", str(feature), "--prompt", "Apple raises", "--tokens", "5")
    status, out, err = asked(capsys, "steer", "latest", *flags, "--strength", "0", "--mode", "add")
    assert (status, err) == (0, "")
    steered, plain = (part.splitlines() for part in out.strip().split("\n\n"))
    assert steered[0].startswith("steered (perplexity ")
    assert plain[0] == steered[0].replace("steered", "plain")
    assert steered[1].startswith("Apple raises")
    assert steered[1:] == plain[1:]
    _, other, _ = asked(capsys, "steer", "latest", *flags, "--strength", "300")
    assert other != out


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--strength", "nan"), "--strength: input should be a finite number"),
        (("--strength", "1", "--tokens", "500"), "--tokens: input should be less than or equal to 200"),
        (("--strength", "1", "--feature", "256"), "there is no feature 256"),
        (("--strength", "1", "--prompt", "word " * 500), "shorten the prompt, or ask for fewer"),
    ],
)
def test_steering_that_can_not_be_is_refused(
    flags: tuple[str, ...], complaint: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    basic = ("steer", "latest", "--runs", runs, "--feature", "1", "--prompt", "Apple")
    status, _, err = asked(capsys, *basic, *flags)
    assert status == 2
    assert complaint in err


def test_another_autoencoder_than_the_run_s_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with one_thread():
        small_run(DirectoryStore(tmp_path / "runs"), source, rows=10)
    state = torch.load(source / "autoencoder.pt", weights_only=True)
    state["latent_bias"] += 1
    torch.save(state, source / "autoencoder.pt")
    status, _, err = asked(capsys, "effects", "latest", "--runs", tmp_path / "runs", "--features", "1")
    assert status == 2
    assert "the autoencoder at hand isn't the one that run" in err
    assert "put back the files that it was made with" in err
