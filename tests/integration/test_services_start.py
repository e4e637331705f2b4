"""The services as commands: what is wrong with their settings stops the start with one sentence each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ("services.ingest", "services.encoder", "services.aggregator")


@pytest.mark.parametrize("module", MODULES)
def test_settings_that_are_wrong_or_missing_stop_the_start(module: str, tmp_path: Path) -> None:
    given = {"SAESCOPE_LEASE_S": "soon", "SAESCOPE_S3_ENDPOINT": "store", "SAESCOPE_S3_SECRET_KEY": "hidden"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAESCOPE_")}
    ended = subprocess.run(
        [sys.executable, "-m", module],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])} | given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sorted(ended.stderr.splitlines()) == [
        "saescope: SAESCOPE_LEASE_S can't be 'soon': it is after how many seconds of silence a worker has lost its "
        "chunk (Input should be a valid number, unable to parse string as a number)",
        "saescope: SAESCOPE_S3_ACCESS_KEY is not set, and SAESCOPE_S3_SECRET_KEY is: set both, or neither to have "
        "credentials looked for in the environment, in a file and by role",
        "saescope: SAESCOPE_S3_ENDPOINT can't be 'store': it is where the S3 server is, as http://host:port",
    ]
