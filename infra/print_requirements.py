"""Print what pyproject.toml requires with the extras that are named: `python print_requirements.py services run`.

Images install dependencies before they copy code, so that a change of code leaves the dependencies' layer alone; this
file is what lets them do so without a second list. It runs before anything is installed, and knows no versions: those
are pinned in constraints.txt.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = [requirement for extra in sys.argv[1:] for requirement in project["optional-dependencies"][extra]]
sys.stdout.writelines(f"{requirement}\n" for requirement in project["dependencies"] + extras)
