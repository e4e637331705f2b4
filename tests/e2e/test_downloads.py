"""What the pages save as files: charts as pictures, lists as tables."""

from __future__ import annotations

import csv
import io
import struct
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.asking import api

SVG = "{http://www.w3.org/2000/svg}"


def saved(page: Page, folder: Path, role: str, name: str) -> Path:
    """The file that a click on a button or link saves."""
    control = page.get_by_role("button" if role == "button" else "link", name=name)
    with page.expect_download() as waited:
        control.click()
    path = folder / waited.value.suggested_filename
    waited.value.save_as(path)
    return path


@pytest.fixture
def feature(page: Page) -> int:
    """The feature whose page is open."""
    feature_id: int = api(page, "/api/features?sort=max_activation&limit=1")["features"][0]["feature_id"]
    page.goto(f"/feature/{feature_id}")
    expect(page.locator(".token-peak").first).to_be_visible()
    return feature_id


def test_a_chart_is_saved_as_an_svg_with_its_bars_and_their_colours(page: Page, feature: int, tmp_path: Path) -> None:
    path = saved(page, tmp_path, "button", "SVG of this chart")
    assert path.name == f"feature-{feature}-activations.svg"
    chart = ElementTree.parse(path).getroot()
    assert chart.tag == f"{SVG}svg"
    bars = [rect for rect in chart.iter(f"{SVG}rect") if float(rect.get("height", "0")) > 0]
    assert len(bars) > 5
    assert len({rect.get("fill") for rect in bars}) > 1
    assert all(part.get("class") is None for part in chart.iter())


def test_a_chart_is_saved_as_a_png_of_its_size(page: Page, feature: int, tmp_path: Path) -> None:
    data = saved(page, tmp_path, "button", "PNG of this chart").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > height > 100
    assert len(data) > 1_000


def test_the_list_is_saved_as_it_is_filtered_and_ordered(page: Page, tmp_path: Path) -> None:
    query = "sort=max_activation&max_density=0.01&min_count=20"
    ids = [one["feature_id"] for one in api(page, f"/api/features?{query}&limit=10000")["features"]]
    assert len(ids) > 100
    page.goto(f"/?{query}")
    rows = csv.DictReader(io.StringIO(saved(page, tmp_path, "link", "CSV of this list of features").read_text()))
    assert [int(row["feature_id"]) for row in rows] == ids
    table = pq.read_table(saved(page, tmp_path, "link", "Parquet of this list of features"))
    assert table["feature_id"].to_pylist() == ids
