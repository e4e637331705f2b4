"""Every kind of input that can be read is read, and every kind that can't is called what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparse_autoencoder.data.file_formats import split_format
from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.errors import SaescopeError
from tests.support.readable_inputs import READABLE, Readable, written
from tests.support.refused_inputs import REFUSED, Refused


def below(folder: Path, source: str) -> str:
    """The source in a folder."""
    forced, where = split_format(source)
    return f"{f'{forced}:' if forced else ''}{folder / where}"


@pytest.mark.parametrize("readable", READABLE, ids=lambda readable: readable.what)
def test_an_input_gives_its_texts(readable: Readable, tmp_path: Path) -> None:
    written(readable.files, tmp_path)
    with open_source(below(tmp_path, readable.source), readable.options) as source:
        assert list(source) == [Row(i, text) for i, text in enumerate(readable.texts)]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.what)
def test_another_input_is_an_error_that_says_what_it_is(refused: Refused, tmp_path: Path) -> None:
    written(refused.files, tmp_path)
    with pytest.raises(SaescopeError, match=refused.says):
        list(open_source(below(tmp_path, refused.source), refused.options))
