"""Which way imports point, what may not import torch, and how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = "sparse_autoencoder"
# The library from the ground up: each imports only what stands above it, and itself.
FLOORS = (
    ("errors",),
    ("utils",),
    ("kernels",),
    ("data",),
    ("tokens",),
    ("subjects",),
    ("model", "paths"),
    ("autoencoders",),
    ("summaries",),
    ("runs",),
    ("reading",),
    ("directions",),
    ("pipeline",),
    ("explanations",),
    ("effects",),
    ("questions",),
    ("training",),
    ("run_flags",),
    ("cli",),
    ("main",),
)
SERVICES = ("ingest", "encoder", "aggregator", "api", "models")
TORCH = ("torch", "transformers", "transformer_lens")
# What computes. Nothing else imports torch, or what imports it, but inside a function.
COMPUTING = (
    "sparse_autoencoder.kernels",
    "sparse_autoencoder.subjects",
    "sparse_autoencoder.model",
    "sparse_autoencoder.autoencoders.latent_encoder",
    "sparse_autoencoder.autoencoders.openai_checkpoint",
    "sparse_autoencoder.summaries.band_examples_torch",
    "sparse_autoencoder.summaries.block_columns_torch",
    "sparse_autoencoder.summaries.summarise_torch",
    "sparse_autoencoder.summaries.token_table_torch",
    "sparse_autoencoder.directions",
    "sparse_autoencoder.pipeline.chunk_encoder",
    "sparse_autoencoder.pipeline.cross_entropy",
    "sparse_autoencoder.pipeline.first_chunk",
    "sparse_autoencoder.pipeline.neighbouring_places",
    "sparse_autoencoder.pipeline.processor_fingerprint",
    "sparse_autoencoder.pipeline.reconstruction_errors",
    "sparse_autoencoder.training",
    "services.encoder.loaded_models",
)
MOST_LINES = 350


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    at_start: bool  # as the module is imported, not in a function or for type checkers


def modules(*folders: str) -> dict[str, Path]:
    """Module names and their files."""
    found = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules(LIBRARY, "services")


def imports_of(module: str, path: Path) -> Iterator[Import]:
    for node, at_start in statements(ast.parse(path.read_text()).body, at_start=True):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, at_start) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield Import(module, name if name in MODULES else str(node.module), at_start)


def statements(body: list[ast.stmt], *, at_start: bool) -> Iterator[tuple[ast.stmt, bool]]:
    for node in body:
        yield node, at_start
        inner = at_start and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inner = False
        for name in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, name, []), at_start=inner)
        for handler in getattr(node, "handlers", []):
            yield from statements(handler.body, at_start=inner)


IMPORTS = [found for module, path in MODULES.items() for found in imports_of(module, path)]


def floor(module: str) -> int:
    package = module.removeprefix(f"{LIBRARY}.").partition(".")[0]
    return next(number for number, names in enumerate(FLOORS) if package in names)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_a_package_of_the_library_imports_only_those_above_it_in_the_table() -> None:
    inside = [
        one
        for one in IMPORTS
        if within(one.importer, (LIBRARY,))
        and within(one.imported, (LIBRARY,))
        and LIBRARY not in (one.importer, one.imported)
    ]
    assert len(inside) > 300
    assert [one for one in inside if floor(one.imported) > floor(one.importer)] == []


def test_the_library_never_imports_services() -> None:
    assert [one for one in IMPORTS if within(one.importer, (LIBRARY,)) and within(one.imported, ("services",))] == []


def test_no_service_imports_another() -> None:
    def service(module: str) -> str | None:
        package = module.split(".")[1] if module.count(".") else ""
        return package if package in SERVICES else None

    both = [
        (service(one.importer), service(one.imported), one) for one in IMPORTS if one.imported.startswith("services.")
    ]
    assert [one for mine, other, one in both if mine and other and mine != other] == []


def test_nothing_is_imported_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for one in IMPORTS:
        if one.imported in MODULES and one.imported != one.importer and one.importer != LIBRARY:
            graph[one.importer].add(one.imported)
    while leaves := {module for module, imported in graph.items() if not imported & graph.keys()}:
        graph = {module: imported for module, imported in graph.items() if module not in leaves}
    assert graph == {}


def test_what_does_not_compute_starts_without_torch() -> None:
    light = sorted(module for module in MODULES if not within(module, COMPUTING) and not module.endswith("main"))
    assert len(light) > 100
    program = (
        f"import importlib, sys\nfor module in {light}:\n    importlib.import_module(module)\n"
        f"print(*(name for name in {TORCH} if name in sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == ""


def test_every_file_can_be_read_in_one_sitting() -> None:
    files = modules(LIBRARY, "services", "benchmarks", "demo", "tests").values()
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
