"""What the API says can be chosen for a run, and which files there are; the same flags as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.api.runs.offered_options import data_files, options
from services.common.run_option_flags import option_helps, parse_options
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.run_options import RunOptions


def test_every_option_is_described_with_its_default() -> None:
    described = options()
    assert {name: option["default"] for name, option in described.items()} == RunOptions().model_dump()
    assert all(option["description"] for option in described.values())


def test_the_command_s_help_knows_the_same_options() -> None:
    assert option_helps().keys() == RunOptions.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("max_rows", {"default": None, "type": "integer", "minimum": 1}),
        ("layer", {"default": 6, "type": "integer", "minimum": 0}),
        ("text_column", {"default": None, "type": "string"}),
        ("bos", {"default": "exclude", "type": "string", "choices": ["exclude", "include", "none"]}),
        ("device", {"default": "auto", "type": "string"}),
        ("name", {"default": None, "type": "string"}),
    ],
)
def test_an_option_has_type_choices_and_least_value(name: str, rest: dict[str, object]) -> None:
    option = dict(options()[name])
    del option["description"]
    assert option == rest


def test_the_locations_are_choices() -> None:
    assert "resid_post_mlp" in options()["location"]["choices"]


def test_what_the_services_do_not_take_is_not_offered() -> None:
    texts = {name: option["description"] for name, option in options().items()}
    assert "standard input" not in texts["source"]
    assert "az://" not in texts["autoencoder"]


def test_data_files_are_those_that_can_be_read_and_lie_inside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("b/c.csv.gz", "a.parquet", "b/.hidden/d.csv", ".e.csv", "model/model.safetensors", "x.pt"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    (tmp_path / "outside.csv").touch()
    (data / "link.csv").symlink_to(tmp_path / "outside.csv")
    (data / "inside.csv").symlink_to(data / "a.parquet")
    (data / "folder.csv").mkdir()
    assert data_files(data) == ["a.parquet", "inside.csv", "b/c.csv.gz"]


def test_no_more_than_a_thousand_data_files_are_named(tmp_path: Path) -> None:
    for number in range(1005):
        (tmp_path / f"{number:04d}.txt").touch()
    names = data_files(tmp_path)
    assert (len(names), names[0], names[-1]) == (1000, "0000.txt", "0999.txt")


def test_a_data_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert data_files(tmp_path / "none") == []


def test_flags_in_a_line_of_text_become_options() -> None:
    line = "--max-rows 5 --text-column 'the title' --bos none --per-token-feature-scan 3"
    assert parse_options(line) == {"max_rows": 5, "text_column": "the title", "bos": "none"}
    assert parse_options("") == {}


@pytest.mark.parametrize("line", ["--max-rows", "--max-rows x", "--nothing", "rows.csv", "'", "--output x", "-h"])
def test_a_mistake_in_a_line_of_flags_is_a_sentence(line: str) -> None:
    with pytest.raises(SaescopeError):
        parse_options(line)
