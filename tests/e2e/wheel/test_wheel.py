"""What an installed wheel can do: show runs, and with its extra `run` make them."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.serving import REPOSITORY, serving

RUNS = REPOSITORY / "tests" / "fixtures" / "runs-without-format"
pytestmark = pytest.mark.timeout(1200)


def saescope(programs: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end, in a folder that isn't the clone."""
    command = [str(programs / "saescope"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_it_holds_pages_and_demo_but_no_sources_of_pages_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"services/viewer/dist/index.html", "demo/autoencoder.pt", "demo/subject/model.safetensors"} <= set(names)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "sparse_autoencoder",
        "services",
        "demo",
    }
    assert [name for name in names if name.startswith("services/viewer/") and "/dist/" not in name] == []


def test_it_has_no_test_tools_and_no_torch(base: Path, tmp_path: Path) -> None:
    listed = subprocess.run([base / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    packages = {line.split()[0].lower() for line in listed.splitlines()}
    assert packages & {"torch", "transformer-lens", "pytest", "playwright", "ruff", "celery"} == set()


def test_it_says_its_version(base: Path, tmp_path: Path) -> None:
    done = saescope(base, "--version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "saescope 0.1.0\n", "")


def test_it_shows_runs_in_the_browser(base: Path, browser: Browser, tmp_path: Path) -> None:
    with serving("serve", "--runs", RUNS, program=base / "saescope", folder=tmp_path) as url:
        page = browser.new_page()
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Features")
        expect(page.get_by_role("link", name="Rows")).to_be_visible()


def test_it_says_what_a_run_needs(base: Path, tmp_path: Path) -> None:
    done = saescope(base, "run", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "saescope: PyTorch is not installed, and runs are computed with it; "
        "install saescope with its extra: saescope[run]\n"
    )


def test_with_the_extra_run_it_makes_and_shows_the_demo(with_run: Path, browser: Browser, tmp_path: Path) -> None:
    program = with_run / "saescope"
    with serving("demo", "--max-rows", "300", "--output", tmp_path / "runs", program=program, folder=tmp_path) as url:
        page = browser.new_page()
        page.goto(f"{url}/feature/407")
        expect(page.get_by_role("heading", level=1)).to_contain_text("407")
    assert [path.name for path in (tmp_path / "runs").glob("*/features/*.parquet")] == [
        "00000.parquet",
        "00001.parquet",
    ]
