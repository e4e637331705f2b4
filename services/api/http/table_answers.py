"""Lists as tables to take away: CSV (RFC 4180) or Parquet, with a column for each number and text of an entry.

A table holds the whole list, unless the request says a limit. The endpoint's function is asked for one block of the
list after another, so that only a block is in memory as Python objects.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import Field

from services.api.http.parameters import Parameters

Format = Literal["json", "csv", "parquet"]
MEDIA_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
BLOCK = 10_000


class AsTable(Parameters):
    """Parameters of an endpoint whose answer has a list that can be had as a table."""

    format: Format = Field(
        "json",
        description="json, or the list alone as a table to take away: csv or parquet. A table is the whole list from "
        "`offset` on, unless `limit` is given. In it, lists are JSON.",
    )


@dataclass(frozen=True)
class Table:
    """A list as a file."""

    body: bytes
    media_type: str
    file_name: str


def table_of(function: Callable[..., Mapping[str, Any]], asked: AsTable, runs: tuple[object, ...], name: str) -> Table:
    """What `function` says under `name`, as the table that is asked for."""
    answers = _answers(function, asked, runs, name)
    first = next(answers)
    blocks = [_block(first[name]), *(_block(answer[name]) for answer in answers)]
    table = pa.concat_tables(blocks, promote_options="permissive")
    sink = io.BytesIO()
    if asked.format == "csv":
        pyarrow.csv.write_csv(table, sink)
    else:
        pq.write_table(table, sink, compression="zstd")
    of = "-".join(str(first[key]) for key in ("run", "feature_id") if key in first)
    file_name = re.sub(r"[^\w.-]+", "_", f"{name}-{of}" if of else name, flags=re.ASCII)
    return Table(sink.getvalue(), MEDIA_TYPES[asked.format], f"{file_name}.{asked.format}")


def _answers(
    function: Callable[..., Mapping[str, Any]], asked: AsTable, runs: tuple[object, ...], name: str
) -> Iterator[Mapping[str, Any]]:
    """The answers with the list's blocks."""
    fields = type(asked).model_fields
    left = getattr(asked, "limit", None) if "limit" in asked.model_fields_set else None
    offset = getattr(asked, "offset", 0)
    while True:
        size = BLOCK if left is None else min(BLOCK, left)
        block = {name: value for name, value in (("limit", size), ("offset", offset)) if name in fields}
        answer = function(asked.model_copy(update=block), *runs)
        yield answer
        found = len(answer[name])
        left = None if left is None else left - found
        offset += found
        if found < size or left == 0 or "offset" not in fields:
            return


def _block(entries: list[Mapping[str, Any]]) -> pa.Table:
    """Some entries, with the columns that they have."""
    flat = [dict(_flat(entry)) for entry in entries]
    names = list(dict.fromkeys(name for entry in flat for name in entry))
    return pa.table({name: pa.array([entry.get(name) for entry in flat]) for name in names})


def _flat(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """An entry's values by column; those of an object in it are columns too, unless its keys are numbers."""
    for key, value in entry.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not all(map(str.isdigit, value)):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, Mapping | list):
            yield name, json.dumps(value, separators=(",", ":"))
        elif isinstance(value, str):  # a lone surrogate is written as an escape
            yield name, value.encode("utf-8", "backslashreplace").decode()
        else:
            yield name, value
