"""What a process imports: those that don't compute start without torch, and names are loaded when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "transformer_lens")


def printed_by(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


LIGHT = (
    "sparse_autoencoder",
    "sparse_autoencoder.windows",
    "sparse_autoencoder.summary",
    "sparse_autoencoder.corpus",
    "sparse_autoencoder.runs",
    "sparse_autoencoder.store",
    "sparse_autoencoder.publishing",
    "sparse_autoencoder.reading",
    "sparse_autoencoder.command",
    "sparse_autoencoder.main",
    "sparse_autoencoder.loading",
    "sparse_autoencoder.made_of",
    "sparse_autoencoder.processor",
    "sparse_autoencoder.watchdog",
    "services.api.app",
    "services.common.settings",
    "services.common.worker",
    "services.common.queue",
    "services.common.workspace",
    "services.common.sources",
    "services.common.problems",
    "services.submit",
    "services.api.__main__",
    "services.ingest.__main__",
    "services.aggregator.__main__",
    "services.common.messages",
    "services.common.ports",
    "services.common.object_store",
    "services.common.leases",
    "services.cli",
)


def test_what_does_not_compute_imports_no_torch() -> None:
    program = (
        "import importlib, sys\n"
        f"for module in {LIGHT}:\n"
        "    importlib.import_module(module)\n"
        f"    print(module, *(name for name in {HEAVY} if name in sys.modules))"
    )
    assert printed_by(program).splitlines() == list(LIGHT)


@pytest.mark.parametrize("service", ["ingest", "encoder", "aggregator", "api"])
def test_no_service_imports_another(service: str) -> None:
    program = (
        f"import importlib, pkgutil, sys, services.{service} as service\n"
        f"for module in pkgutil.iter_modules(service.__path__, 'services.{service}.'):\n"
        "    importlib.import_module(module.name)\n"
        "found = {name.split('.')[1] for name in sys.modules if name.startswith('services.')}\n"
        f"print(*found & {{'ingest', 'encoder', 'aggregator', 'api'}} - {{{service!r}}})"
    )
    assert printed_by(program) == ""


def test_the_library_never_imports_the_services() -> None:
    program = (
        "import importlib, pkgutil, sys, sparse_autoencoder\n"
        "for module in pkgutil.iter_modules(sparse_autoencoder.__path__, 'sparse_autoencoder.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'services'))"
    )
    assert printed_by(program) == ""


def test_the_package_gives_autoencoder_and_paths_when_they_are_asked_for() -> None:
    program = (
        "import sys, sparse_autoencoder\n"
        "print(sparse_autoencoder.paths.__name__, 'torch' in sys.modules)\n"
        "print(sparse_autoencoder.Autoencoder.__name__, 'torch' in sys.modules)"
    )
    assert printed_by(program).splitlines() == ["sparse_autoencoder.paths False", "Autoencoder True"]


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    import sparse_autoencoder

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = sparse_autoencoder.Nothing
