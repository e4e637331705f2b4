"""The rows of the benchmark for one device, as far as there is time: whole runs first, then the stages.

Each is measured once in each round, the GEMM rate before it, and reported at once.
"""

from __future__ import annotations

from benchmarks.gpu.part_settings import Situation
from benchmarks.speed.against_baselines import EndToEnd, roofline_records
from benchmarks.speed.alternating_repeats import Case
from benchmarks.speed.end_to_end import run_once
from benchmarks.speed.gemm_rate import Roofline
from benchmarks.speed.stages import computing_cases
from benchmarks.speed.workload import PRECISIONS, Target

_ROUNDS = 2


def end_to_end(situation: Situation) -> None:
    """Whole runs in each precision, and one with the larger autoencoder; GEMM alone beside them."""
    scale = situation.scale
    roofline = Roofline(situation.device, scale.config, scale.layer, scale.latents)
    for record in roofline_records(situation.setting, roofline):
        situation.report.record(record)
    small, large = scale.latents
    precisions = PRECISIONS[situation.device]
    fastest_first = [Target(situation.device, precision, small) for precision in reversed(precisions)]
    targets = [*fastest_first, Target(situation.device, precisions[-1], large)]
    runs: dict[Target, EndToEnd] = {}
    for number in range(_rounds(situation)):
        for target in targets if number == 0 else fastest_first:
            if target not in runs:
                run_once(situation.setting.options(target, scale.warm_up_rows), target)
                runs[target] = EndToEnd(situation.setting, target, scale.run_rows(target))
            _once(situation, roofline, runs[target].case)
            for record in runs[target].records(roofline):
                situation.report.record(record)
        for record in roofline_records(situation.setting, roofline):
            situation.report.record(record)


def stages(situation: Situation) -> None:
    """The model, the autoencoder and its top-k, each alone; and all of it as the encoder does it."""
    scale = situation.scale
    roofline = Roofline(situation.device, scale.config, scale.layer, scale.latents)
    cases = [
        case
        for precision in reversed(PRECISIONS[situation.device])
        for case in computing_cases(situation.setting, Target(situation.device, precision))
    ]
    for _number in range(_rounds(situation)):
        for case in cases:
            _once(situation, roofline, case)
            situation.report.record(case.record(roofline))


def _rounds(situation: Situation) -> int:
    return 1 if situation.quick else _ROUNDS


def _once(situation: Situation, roofline: Roofline, case: Case) -> None:
    roofline.pulse(case.target)
    seconds = case.measure()
    case.seconds.append(seconds)
    target = case.target
    what = f"{case.name} {target.precision} {target.latents or ''}".strip()
    print(f"  {what}: {seconds:.3f} s, {case.work.tokens / seconds:,.0f} tokens/s", flush=True)
