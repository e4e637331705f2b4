"""docs/performance.md shows what benchmarks/results/ holds."""

from __future__ import annotations

from pathlib import Path

from benchmarks.agreement import Agreement, MetricAgreement, PrecisionResults, Sample
from benchmarks.performance_table import PAGE, generated
from benchmarks.results import PRECISION_FILE, Hardware, Record, Results, RunShares

EMPTY = "# Title\n<!-- generated: results -->\nold\n<!-- end -->\nrest\n"
EMPTY_PRECISION = "# Title\n<!-- generated: precision -->\nold\n<!-- end -->\nrest\n"
HARDWARE = Hardware(
    cpu="Some CPU",
    cores=2,
    memory_gib=8,
    torch_version="2.13.0",
    torch_threads=2,
    gpu=None,
    gpu_memory_gib=None,
)


def results(*records: Record) -> Results:
    return Results(
        command="python -m benchmarks.bench",
        measured_on="2026-11-23",
        load_before=0.5,
        hardware=HARDWARE,
        records=list(records),
    )


def agreement(precision: str, *, emulated: bool = False) -> Agreement:
    return Agreement(
        precision=precision,
        emulated=emulated,
        identical_sets=0.98765,
        common_latents=0.99,
        error_median=1.25e-7,
        error_99th=0.0125,
        error_largest=1,
        silent_features=3,
        new_features=1_234,
        metrics=[MetricAgreement(name="skew", median=0, largest=0.5, rank_correlation=None if emulated else 0.75)],
        top_examples=0.5,
        top_examples_belonging=0.75,
        random_examples=1,
    )


def precisions(*agreements: Agreement) -> PrecisionResults:
    sample = Sample(
        name="Some models",
        rows=60,
        tokens=1_000,
        latents=2_048,
        active_latents=3.97,
        features=700,
        full_lists=20,
        agreements=list(agreements),
    )
    return PrecisionResults(command="it", measured_on="2026-11-23", hardware=HARDWARE, samples=[sample])


def test_the_generated_parts_are_fresh() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert generated(text) == text, "run: python -m benchmarks.performance_table"


def test_a_record_is_a_line_of_its_machines_table(tmp_path: Path) -> None:
    record = Record(
        name="end to end",
        device="cpu",
        precision="float32",
        latents=32_768,
        rows=2500,
        tokens_per_s=812.4,
        gflops=121.3,
        fraction_of_roofline=0.9049,
        repeats=3,
        seconds=43.21,
        fastest_s=42.0,
        slowest_s=45.0,
        run=RunShares(
            loading_s=0.5,
            publishing_s=2.0,
            waiting=0.001,
            summarising=0.02,
            fraction_of_roofline_distinct=0.87,
            peak_device_gib=None,
        ),
    )
    results(record).write(tmp_path / "machine.json")
    page = generated(EMPTY, tmp_path)
    assert page.startswith("# Title\n<!-- generated: results -->\n### Some CPU, 2 cores, 8 GiB, no GPU\n")
    assert page.endswith("<!-- end -->\nrest\n")
    assert "\n| end to end | cpu | float32 | 32,768 | 812 | 1,231 | 121 | 90.5 % | 3 |\n" in page
    run = "| end to end, cpu | float32 | 32,768 | 2,500 | 43.2 | 42.0 | 45.0 | 2.0 | 0.1 % | 2.0 % | 87.0 % | 0.5 |  |"
    assert f"\n{run}\n" in page


def test_what_needs_a_gpu_is_not_measured_without_one(tmp_path: Path) -> None:
    results(Record(name="end to end", device="cuda", precision="bfloat16", latents=32_768)).write(tmp_path / "m.json")
    assert "| end to end | cuda | bfloat16 | 32,768 | not measured |  |  |  |  |\n" in generated(EMPTY, tmp_path)


def test_machines_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        result = results(Record(name=name, device="cpu"))
        result.write(tmp_path / f"{name}.json")
    page = generated(EMPTY, tmp_path)
    assert page.index("| a | cpu") < page.index("| b | cpu")


def test_without_results_it_says_so(tmp_path: Path) -> None:
    assert "Nothing has been measured yet" in generated(EMPTY, tmp_path)


def test_each_precision_is_a_column_of_what_it_agrees_in(tmp_path: Path) -> None:
    precisions(agreement("float32"), agreement("tf32", emulated=True)).write(tmp_path / PRECISION_FILE)
    page = generated(EMPTY_PRECISION, tmp_path)
    assert page.startswith("# Title\n<!-- generated: precision -->\n`it` on 2026-11-23, Some CPU, PyTorch 2.13.0. ")
    assert page.endswith("<!-- end -->\nrest\n")
    sizes = "60 rows, 1,000 tokens, 4.0 of 2,048 latents active at a token; 700 features fired"
    assert f"\n**Some models**: {sizes}, and the lists of strongest examples of 20 are full.\n" in page
    assert "\n|  | float32 | tf32 (emulated) |\n| --- | ---: | ---: |\n" in page
    assert "\n| tokens with the same active latents | 98.765 % | 98.765 % |\n" in page
    assert "\n| relative error of activations: median | 1.2e-07 | 1.2e-07 |\n" in page
    assert "\n| features that fire, and did not | 1,234 | 1,234 |\n" in page
    assert "\n| skew | 0 | 0.5 | 0.750000 | 0 | 0.5 |  |\n" in page


def test_precisions_are_no_machine(tmp_path: Path) -> None:
    precisions(agreement("float32")).write(tmp_path / PRECISION_FILE)
    assert "Nothing has been measured yet: `make bench`." in generated(EMPTY, tmp_path)


def test_without_precisions_it_says_so(tmp_path: Path) -> None:
    assert "Nothing has been measured yet: `python -m benchmarks.precision`." in generated(EMPTY_PRECISION, tmp_path)
