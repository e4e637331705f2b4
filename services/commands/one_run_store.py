"""A store that holds one run of a folder, and none of the others beside it."""

from pathlib import Path

from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError


class OneRunStore(DirectoryStore):
    """The folder of a run as a store; the other runs beside it are not served, as nobody asked for that."""

    def __init__(self, run: Path) -> None:
        super().__init__(run.parent)
        self._run = run.name
        RunFolder(self, self._run).read_metadata()  # what is wrong with it is said at once

    def folders(self) -> list[str]:
        """See Store.folders."""
        return [self._run]

    def path(self, key: str) -> Path:
        """See DirectoryStore.path; NotFoundError for what is in another run's folder."""
        path = super().path(key)
        first = key.partition("/")[0]
        if first != self._run and any((self.root / first / name).exists() for name in ("metadata.json", "plan.json")):
            raise NotFoundError(f"run {first} isn't served: only {self._run} is")
        return path
