"""The viewer's files as the API serves them: the page for every address, and nothing from outside the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.access import Access
from sparse_autoencoder.runs.store import DirectoryStore

SECRET = "not for the browser"
PAGE = "<!doctype html><title>saescope</title>"


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[TestClient]:
    folder = tmp_path / "dist"
    (folder / "fonts").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "index.0a1b.js").write_text("'use strict';")
    (tmp_path / "dist-other").mkdir()
    (tmp_path / "dist-other" / "secret").write_text(SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with TestClient(create_app(DirectoryStore(tmp_path / "runs"), folder)) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/features", "/runs/20260101-000000_run-001/feature/12", "/fonts", "/%00", "/é"])
def test_an_address_that_is_no_file_gives_the_page(viewer: TestClient, path: str) -> None:
    response = viewer.get(path)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["Content-Type"].startswith("text/html")


def test_an_address_of_any_length_gives_the_page(viewer: TestClient) -> None:
    assert viewer.get("/" + "a" * 5000).text == PAGE


def test_a_file_is_served_with_its_type(viewer: TestClient) -> None:
    response = viewer.get("/index.0a1b.js")
    assert (response.status_code, response.text) == (200, "'use strict';")
    assert response.headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/missing.js", "/fonts/none.woff2", "/favicon.ico", "/%00.js"])
def test_a_missing_file_with_an_extension_is_404_and_not_the_page(viewer: TestClient, path: str) -> None:
    response = viewer.get(path)
    assert response.status_code == 404
    assert set(response.json()) == {"error"}


@pytest.mark.parametrize(
    "path",
    [
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/fonts/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/%2e%2e/dist-other/secret",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/link.txt",
        "/...//secret.txt",
    ],
)
def test_no_address_leads_out_of_the_folder(viewer: TestClient, path: str) -> None:
    response = viewer.get(path)
    assert response.status_code == 404 or response.text == PAGE
    assert SECRET not in response.text


@pytest.mark.parametrize("path", ["/", "/features", "/index.0a1b.js"])
def test_nothing_but_the_viewer_s_own_files_may_be_loaded_or_run(viewer: TestClient, path: str) -> None:
    headers = viewer.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "ancestors"),
    [
        ("/feature/3", "'none'"),
        ("/feature/3?run=x&embed=1", "'self' https://lab.org"),
        ("/feature/3?embed=0", "'none'"),
        ("/feature/3?text=embed=1", "'none'"),
    ],
)
def test_only_a_page_to_be_embedded_may_be_in_a_frame_of_sites_that_may_read(
    tmp_path: Path, path: str, ancestors: str
) -> None:
    (tmp_path / "index.html").write_text(PAGE)
    app = create_app(DirectoryStore(tmp_path / "runs"), tmp_path, access=Access(origins=("https://lab.org",)))
    headers = TestClient(app).get(path).headers
    assert f"frame-ancestors {ancestors};" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/", "/api/features/", "/api/feature.js", "/api/..%2f", "/api/%00"]
)
def test_below_api_there_is_never_the_page(viewer: TestClient, path: str) -> None:
    response = viewer.get(path)
    assert response.status_code == 404
    assert "there is nothing at /api/" in response.json()["error"]


def test_the_page_can_only_be_read(viewer: TestClient) -> None:
    response = viewer.post("/features")
    assert response.status_code == 405
    assert response.json() == {"error": "Method Not Allowed"}
