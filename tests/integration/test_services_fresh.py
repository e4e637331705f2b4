"""A real encoder process whose computing hangs or breaks ends, comes back fresh by itself, and loses nothing."""

from __future__ import annotations

from tests.support.services import AGGREGATOR, INGEST, Cluster, Service, expected_files, tiny_options

FAILING = "tests.support.failing_encoder"


def start(cluster: Cluster, **settings: str) -> Service:
    """The only encoder."""
    cluster.run_only(INGEST, AGGREGATOR)
    encoder = cluster.start(FAILING, **settings)
    cluster.wait(lambda: bool(encoder.said("ready")), "the encoder is ready")
    return encoder


def test_work_that_hangs_is_ended_and_done_by_a_fresh_process(cluster: Cluster) -> None:
    failing = start(cluster, SAESCOPE_PATIENCE_S="3")
    (failing.folder / "hang").touch()
    space = cluster.new_run(tiny_options())
    assert cluster.finish(space) == expected_files()
    assert space.folder.read_metadata().failed_chunks == []
    hung, *_ = failing.said("work_hung")
    assert hung["what"] == f"encode/000000 of run {space.folder.run_id}"
    assert "failing_encoder.py" in hung["threads"]
    first, second, *_ = failing.said("ready")
    assert first["pid"] == second["pid"]  # whoever started it still knows it


def test_after_an_error_of_cuda_a_process_comes_back_fresh(cluster: Cluster) -> None:
    failing = start(cluster)
    (failing.folder / "cuda").touch()
    space = cluster.new_run(tiny_options())
    assert cluster.finish(space) == expected_files()
    assert space.folder.read_metadata().failed_chunks == []
    (failed,) = failing.said("attempt_failed")
    assert failed["problem"] == "RuntimeError: CUDA error: an illegal memory access was encountered"
    assert "in encode" in failed["traceback"]
    (fresh,) = failing.said("process_restarting")
    assert fresh["reason"] == "after this error nothing that this process computes can be trusted"
    assert len(failing.said("ready")) == 2
