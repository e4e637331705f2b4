"""The whole stack, from the project's Dockerfiles: its runs have the bytes of `saescope run`, and are seen to grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import demo
from demo.headlines import write_csv
from tests.e2e.compose.stack import (
    RUN_TIMEOUT_S,
    ask,
    bring_up,
    compose,
    inside,
    paused,
    published,
    start_run,
    wait_for_run,
)

ROWS = 5000
OPTIONS: dict[str, Any] = {  # the models are those of the demo's data folder
    "source": "headlines.csv",
    "subject": "subject",
    "autoencoder": "autoencoder.pt",
    "layer": demo.LAYER,
    "location": demo.LOCATION,
    "chunk_size": 250,
}
ENCODERS = 3


@pytest.fixture(scope="module")
def on_one_machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that `saescope run` leaves on this machine, for the same rows, models and options."""
    folder = tmp_path_factory.mktemp("one-machine")
    write_csv(ROWS, 0, str(folder / "headlines.csv"))
    options = OPTIONS | {"subject": demo.SUBJECT, "autoencoder": demo.AUTOENCODER}
    flags = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]
    saescope = Path(sys.executable).with_name("saescope")
    subprocess.run([saescope, "run", *flags, "--output", "runs"], cwd=folder, check=True)
    (run,) = (folder / "runs").iterdir()
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def differing(ours: dict[str, bytes], theirs: dict[str, bytes]) -> list[str]:
    """The names of files that aren't the same in both; metadata.json has times in it."""
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def started(*services: str) -> list[bytes]:
    """Since when containers run."""
    ids = [compose("ps", "--quiet", service, capture=True).stdout.strip().decode() for service in services]
    command = ["docker", "inspect", "--format", "{{.State.StartedAt}}", *ids]
    return subprocess.run(command, capture_output=True, check=True).stdout.splitlines()


def scale_encoders(count: int) -> None:
    compose(
        "--progress", "quiet", "up", "--detach", "--no-recreate", "--wait", "--scale", f"encoder={count}", "encoder"
    )


def watch_progress(page: Page, run_id: str) -> list[int]:
    """The values that a run's progress bar takes on its page, until at least two were seen."""
    with paused("encoder"):  # or a fast machine would be done before the page is there
        page.goto(f"/runs/{run_id}")
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuemax", str(ROWS))
    seen = page.wait_for_function(
        """() => {
            const value = document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow');
            window.seen ??= [];
            if (value && window.seen.at(-1) !== value) window.seen.push(value);
            return window.seen.length >= 2 ? window.seen : null;
        }""",
        timeout=RUN_TIMEOUT_S * 1000,
    )
    return [int(value) for value in seen.json_value()]


def test_the_first_run_starts_by_itself_and_is_complete() -> None:
    (first,) = ask("/api/runs")["runs"]
    assert wait_for_run(first["id"])["status"] == "complete"


def test_its_models_answer_what_fires_in_a_text() -> None:
    assert ask("/api/models") == {"can_ask": True, "why_not": None}
    answer = ask("/api/encode", {"text": "Analysts raise their targets"})
    assert "".join(answer["tokens"]) == "Analysts raise their targets"
    assert answer["features"] != []


def test_a_run_is_seen_to_grow_and_its_bytes_are_those_of_one_machine(
    tab: Page, on_one_machine: dict[str, bytes]
) -> None:
    run_id = start_run(OPTIONS)
    values = watch_progress(tab, run_id)
    assert values == sorted(set(values))
    assert wait_for_run(run_id)["status"] == "complete"
    assert differing(published(run_id), on_one_machine) == ["metadata.json"]

    ranked = ask(f"/api/features?run={run_id}&metric=max_activation&limit=1")["features"]
    tab.goto(f"/feature/{ranked[0]['feature_id']}?run={run_id}")
    expect(tab.get_by_test_id("bar").first).to_be_visible()
    expect(tab.locator(".token-peak").first).to_be_visible()


def test_with_three_encoders_the_bytes_are_the_same(on_one_machine: dict[str, bytes]) -> None:
    scale_encoders(ENCODERS)
    run_id = start_run(OPTIONS)
    assert wait_for_run(run_id)["status"] == "complete"
    assert differing(published(run_id), on_one_machine) == ["metadata.json"]
    logs = compose("logs", "--no-color", "encoder", capture=True).stdout.decode()
    worked = {line.split("|")[0].strip() for line in logs.splitlines() if "chunk_encoded" in line and run_id in line}
    assert len(worked) == ENCODERS


def test_the_original_s_flags_submit_a_run_and_follow_it() -> None:
    flags = ["--source", "headlines.csv", "--subject", "subject", "--autoencoder", "autoencoder.pt"]
    flags += ["--layer", str(demo.LAYER), "--max-rows", "100", "--chunk-size", "50", "--per-token-feature-scan", "5"]
    compose("run", "--rm", "--no-TTY", "ingest", *flags)
    newest = ask("/api/runs")["runs"][0]
    assert (newest["status"], newest["num_prompts"]) == ("complete", 100)


@pytest.mark.parametrize("service", ["ingest", "aggregator", "api"])
def test_what_does_not_compute_has_no_torch(service: str) -> None:
    looked = inside(service, "python", "-c", "import importlib.util; print(importlib.util.find_spec('torch'))")
    assert looked == b"None\n"


def test_the_encoder_s_torch_is_the_build_without_cuda() -> None:
    assert inside("encoder", "python", "-c", "import torch; print(torch.version.cuda)") == b"None\n"


@pytest.mark.parametrize("service", ["redis", "s3", "ingest", "encoder", "models", "aggregator", "api", "viewer"])
def test_a_container_s_user_is_nobody_special_and_its_files_are_read_only(service: str) -> None:
    assert int(inside(service, "id", "-u")) > 0
    assert inside(service, "sh", "-c", "touch /usr/bin/x /etc/x /opt/x 2>/dev/null || echo refused") == b"refused\n"
    mounts = inside(service, "cat", "/proc/mounts").decode().splitlines()
    (root,) = [line.split() for line in mounts if line.split()[1] == "/"]
    assert "ro" in root[3].split(",")


def test_an_encoder_that_takes_all_memory_is_ended_and_nobody_else_is() -> None:
    others = started("redis", "s3", "api", "aggregator")
    greedy = "taken = [bytes([1]) * (64 << 20) for _ in range(100)]"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        inside("encoder", "python", "-c", greedy)
    assert caught.value.returncode == 137  # SIGKILL
    assert started("redis", "s3", "api", "aggregator") == others
    assert inside("redis", "redis-cli", "ping") == b"PONG\n"


def test_a_container_can_t_have_processes_without_end() -> None:
    endless = """
import threading
over = threading.Event()
try:
    for number in range(5_000):
        threading.Thread(target=over.wait).start()
except RuntimeError:
    print("refused after", number, flush=True)
over.set()
"""
    words = inside("ingest", "python", "-c", endless).split()
    assert words[:2] == [b"refused", b"after"]
    assert 100 < int(words[2]) < 512


# What follows takes the stack down; it comes last.


def keys() -> bytes:
    return inside("api", "cat", "/credentials/user", "/credentials/password")


def test_taken_down_and_brought_up_again_it_has_the_same_keys_and_runs() -> None:
    made, runs = keys(), ask("/api/runs")["runs"]
    assert runs
    compose("--progress", "quiet", "down", "--timeout", "5")
    bring_up()
    assert keys() == made
    assert ask("/api/runs")["runs"] == runs


def test_keys_that_are_set_later_are_the_server_s_and_the_services() -> None:
    runs = ask("/api/runs")["runs"]
    bring_up(S3_USER="myself", S3_PASSWORD="more%than&8")
    assert keys() == b"myselfmore%than&8"
    assert ask("/api/runs")["runs"] == runs
    assert wait_for_run(start_run(OPTIONS | {"max_rows": 100}))["status"] == "complete"
