"""Make the S3 server's user and password, once: for the server itself, and for the services that use it.

    python make_credentials.py [FOLDER]

They are S3_USER and S3_PASSWORD if these are set, else those that were made before, else new ones. The folder
(/credentials by default, a volume that only the server and its users see) then holds `user` and `password`, and `aws`,
which is both in the form of Amazon's credentials file.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path

# What every server takes: MinIO wants so many characters, and none that get lost at the ends of a line.
FORMS = {"S3_USER": r"[!-~]{3,128}", "S3_PASSWORD": r"[!-~]{8,128}"}


def main(folder: Path) -> int:
    """Write the files if there is something to write; the exit status: 1 for variables that can't be used."""
    given = {name: os.environ.get(name, "") for name in FORMS}
    if not any(given.values()):
        if (folder / "aws").exists():
            return 0
        given = {"S3_USER": f"saescope-{secrets.token_hex(4)}", "S3_PASSWORD": secrets.token_hex(24)}
    problems = [_problem(name, given[name]) for name in FORMS if not re.fullmatch(FORMS[name], given[name])]
    for problem in problems:
        sys.stderr.write(f"saescope: {problem}\n")
    if problems:
        return 1
    user, password = given.values()
    write(folder / "user", user)
    write(folder / "password", password)
    keys = f"aws_access_key_id = {user}\naws_secret_access_key = {password}\n"
    write(folder / "aws", f"[default]\n{keys}")  # the last: once it is there, all are
    return 0


def _problem(name: str, value: str) -> str:
    if not value:
        return f"{name} is not set in .env, and the other of S3_USER and S3_PASSWORD is: set both, or neither"
    least = re.findall(r"\d+", FORMS[name])[0]
    return f"{name} in .env can't be used: it must have {least} to 128 ASCII letters, digits and signs, and no spaces"


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all, for its owner to read."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(content)
    unfinished.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2] or ["/credentials"])))
