"""What OpenAI's viewer asks of the API, as a browser sends it: on a page at localhost, and elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.access import Access
from sparse_autoencoder.paths import v5_32k
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import read_tables
from tests.support.sae_viewer import check_feature_info, made_up_effects

OLDER, NEWER, GOING = "20300101-000000_run-001", "20300102-000000_run-001", "20300103-000000_run-001"
PAGE = "http://localhost:1234"  # where `parcel` serves it
PLACE = "gpt2-small/v5_32k/layer_6/resid_post_mlp"
VIEWER = "/sparse-autoencoder/viewer"


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """Two finished runs of OpenAI's autoencoder at one place, and one of another autoencoder."""
    for run_id in (OLDER, NEWER):
        of_openai(shutil.copytree(finished, tmp_path / "runs" / run_id), run_id)
    shutil.copytree(finished, tmp_path / "runs" / finished.name)
    return tmp_path / "runs"


def of_openai(run: Path, run_id: str, **changes: Any) -> None:
    """Make a run say that it is one of OpenAI's autoencoder at layer 6."""
    file = run / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    metadata |= {"run_id": run_id, "layer_index": 6, "location": "resid_post_mlp", **changes}
    metadata["subject"]["name"] = "gpt2"
    metadata["autoencoder"]["address"] = v5_32k("resid_post_mlp", 6)
    file.write_text(json.dumps(metadata), encoding="utf-8")


@contextmanager
def opened(runs: Path, access: Access | None = None, prefix: str = "") -> Iterator[TestClient]:
    access = access or Access(origins=(PAGE,))
    with TestClient(create_app(DirectoryStore(runs), access=access, root_path=prefix)) as client:
        yield client


@pytest.fixture
def client(runs: Path) -> Iterator[TestClient]:
    with opened(runs) as client:
        yield client


def load_az(client: TestClient, file: str, place: str = PLACE, **headers: str) -> Any:
    """As its load_file_no_cache asks."""
    body = json.dumps({"path": f"az://openaipublic{VIEWER}/{place}/atoms/{file}"})
    return client.post(
        "/load_az", content=body, headers={"Origin": PAGE, "Content-Type": "application/json", **headers}
    )


def preflight(client: TestClient, path: str, method: str) -> Any:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": method}
    return client.options(path, headers=headers | {"Access-Control-Request-Headers": "content-type"})


def test_a_page_at_localhost_reads_features_dead_ones_too(client: TestClient) -> None:
    asked = preflight(client, "/load_az", "POST")
    assert asked.status_code == 200
    assert "content-type" in asked.headers["Access-Control-Allow-Headers"].lower()
    for feature in range(0, 256, 15):
        answer = load_az(client, f"{feature}.json")
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
        check_feature_info(answer.json())


def test_a_page_elsewhere_gets_the_file_under_its_path(client: TestClient) -> None:
    path = f"{VIEWER}/{PLACE}/atoms/3.json"
    assert preflight(client, path, "GET").status_code == 200
    answer = client.get(path, headers={"Origin": PAGE, "Content-Type": "application/json"})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.json() == load_az(client, "3.json").json()
    assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_it_is_the_same_as_the_api_s_own_answer(client: TestClient) -> None:
    info = client.get("/api/feature_info", params={"run": NEWER, "id": 3, "top_k": 1000}).json()
    atom = load_az(client, "3.json").json()
    for name in ("density", "mean_act", "mean_act_squared", "skew", "kurtosis", "hist"):
        assert atom[name] == info[name]
    for kind in ("top", "random"):
        assert atom[kind] == [{name: one[name] for name in atom[kind][0]} for one in info[kind]]


def test_of_several_runs_the_newest_finished_one_answers(runs: Path) -> None:
    def change_rows(run_id: str, num_tokens: int) -> float:
        of_openai(runs / run_id, run_id, num_tokens=num_tokens)
        with opened(runs) as client:
            density: float = load_az(client, "3.json").json()["density"]
            return density

    before = change_rows(OLDER, 10**9)
    assert change_rows(NEWER, 10**9) < before
    shutil.copytree(runs / NEWER, runs / GOING)
    of_openai(runs / GOING, GOING, status="running")
    with opened(runs) as client:
        assert load_az(client, "3.json").status_code == 200


def test_another_autoencoder_has_a_place_too(runs: Path, finished: Path, client: TestClient) -> None:
    metadata = json.loads((finished / "metadata.json").read_text(encoding="utf-8"))
    place = f"subject/autoencoder-{metadata['autoencoder']['sha256'][:8]}/layer_2/resid_post_mlp"
    check_feature_info(load_az(client, "3.json", place).json())


@pytest.mark.parametrize(
    ("file", "place", "sentence"),
    [
        ("256.json", PLACE, "there is no feature 256: run %s has the features 0 to 255"),
        ("3-ablated.json", PLACE, "what feature 3 does to later predictions wasn't computed yet"),
        ("3.json", "gpt2-small/v5_128k/layer_6/resid_post_mlp", "no run has its features at gpt2-small/v5_128k/"),
        ("x.json", PLACE, "there is no file gpt2-small/v5_32k/layer_6/resid_post_mlp/atoms/x.json"),
        ("../../metadata.json", PLACE, "there is no file "),
        ("3.json", "../../etc", "there is no file "),
    ],
)
def test_what_is_not_there_is_no_file_to_the_viewer(client: TestClient, file: str, place: str, sentence: str) -> None:
    answer = load_az(client, file, place)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith(sentence.replace("%s", NEWER))
    assert answer.json().keys() == {"error"}  # where the page looks for `top` it finds nothing, and says so


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"path": 3}', b'{"path": "/etc/passwd"}', b'{"path": "az://other/1.json"}', b"[" * 10_000],
)
def test_what_the_viewer_does_not_send_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/load_az", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert client.post("/load_az", content=body).status_code == 415


def test_pages_that_are_not_allowed_read_nothing(runs: Path) -> None:
    for access in (Access(), Access(origins=("https://viewer.lab.org",))):
        with opened(runs, access) as client:
            assert "access-control-allow-origin" not in load_az(client, "3.json").headers
            assert "access-control-allow-origin" not in preflight(client, "/load_az", "POST").headers


@pytest.mark.parametrize("path", ["/api/runs", "/api/labels/3", "/api/labels/import", f"{VIEWER}/{PLACE}/atoms/3.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_that_may_read_may_change_nothing(client: TestClient, path: str, method: str) -> None:
    assert preflight(client, path, method).status_code == 400
    assert preflight(client, "/load_az", method).status_code == (200 if method == "POST" else 400)


def test_where_reading_takes_the_token_this_does_too(runs: Path) -> None:
    with opened(runs, Access("secret", guards_reading=True, origins=(PAGE,))) as client:
        for answer in (load_az(client, "3.json"), client.get(f"{VIEWER}/{PLACE}/atoms/3.json")):
            assert answer.status_code == 401
        assert load_az(client, "3.json", Authorization="Bearer secret").status_code == 200


def test_other_names_than_the_server_s_are_refused(client: TestClient) -> None:
    assert load_az(client, "3.json", Host="evil.example").status_code == 403


def test_effects_that_are_kept_are_shown(runs: Path, client: TestClient) -> None:
    folder = RunFolder(DirectoryStore(runs), NEWER)
    effects = made_up_effects(3, read_tables(runs / NEWER, "features")[3])
    folder.store.put(folder.effects(3), effects_file.to_bytes(3, effects["examples"]))
    atom = load_az(client, "3-ablated.json").json()
    check_feature_info(atom)
    by_place = {(one["row_id"], one["offset"], one["idx"]): one for one in effects["examples"]}
    assert len(atom["top"]) > 0
    for sequence, shown in zip(atom["top"], client.get("/api/feature_info?id=3").json()["top"], strict=False):
        found = by_place[shown["row_id"], shown["offset"], shown["idx"]]
        assert (sequence["kl"], sequence["doc_id"]) == (found["kl"], found["row_id"])


def test_it_is_there_behind_a_prefix(runs: Path) -> None:
    with opened(runs, prefix="/saescope") as client:
        assert client.get(f"/saescope{VIEWER}/{PLACE}/atoms/3.json").status_code == 200
