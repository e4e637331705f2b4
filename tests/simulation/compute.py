"""What ingest, encoder and aggregator compute with, in small: bytes in which every mistake shows.

A chunk's rows, its prompts file and what it contributes name run and chunk; a state is the list of what was merged, and
the published files repeat that list. Each chunk has one example, a number, of which a state keeps the few smallest;
encoders leave out what the cutoffs of some earlier state say can't be among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from services.common.attempt_rule import Moved
from services.common.dependency_interfaces import UnavailableError
from services.common.run_json_files import MergeProgress, ReadingProgress
from services.encoder.encode_chunks import ChunkOutput
from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.runs.checksums import unseal
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import FailedChunk
from sparse_autoencoder.runs.store import Store
from tests.simulation import examples
from tests.simulation.examples import FakeCutoffs, example_of, to_examples, to_merged_chunks, to_text
from tests.simulation.fake_dataset import FakeDataset, random_error, tokens
from tests.simulation.fake_state import NO_WEIGHTS, FakeState, weights_of
from tests.simulation.faults import STALL_S, Script
from tests.simulation.happened import Happened
from tests.simulation.network import Network


@dataclass(eq=False)
class Compute:
    """The ports Dataset, Computer and Merging."""

    network: Network
    scripts: dict[str, Script]
    happened: Happened = field(default_factory=Happened)
    given_up: Callable[[str, int, str], None] = lambda run_id, chunk, error: None
    _cutoffs_seen: dict[str, list[FakeCutoffs]] = field(default_factory=dict)

    def take_time(self, run_id: str, seconds: float) -> None:
        """Let up to so many seconds pass, with leases renewed."""
        script, random = self.scripts[run_id], self.network.scheduler.random
        if script.stalls and random.random() < script.stalls:
            self.network.note("computing takes very long")
            self.network.scheduler.sleep(STALL_S * random.random())
        self.network.scheduler.sleep(random.random() * seconds * script.slow)

    def spoil(self, key: str, data: bytes) -> bytes:
        """What is stored instead of what was written."""
        run_id, _, name = key.partition("/")
        drawn = self.network.scheduler.random.random() if self.network.faulty else 1.0
        if name.startswith("partials/") and drawn < self.scripts[run_id].damage:
            self.network.note("partial stored damaged")
            self.happened.partials_damaged[run_id] += 1
            return data[:-3]
        if name == "cutoffs" and drawn < self.scripts[run_id].stale_cutoffs:
            cutoffs = FakeCutoffs.from_bytes(data)
            next_chunk, failed = cutoffs.merged_chunks.split(":")
            if failed:
                self.network.note("cutoffs of an aggregator that knows of no failures")
                return FakeCutoffs(f"{next_chunk}:", cutoffs.key).to_bytes()
        if name.startswith("chunks/") and drawn < self.scripts[run_id].damage_rows:
            self.network.note("rows stored damaged")
            self.happened.rows_damaged.add(run_id)
            return b"damaged"
        mine = self.happened.state_damaged.get(run_id, key) == key
        if name.startswith("state/") and mine and drawn < self.scripts[run_id].damage_states:
            self.network.note("state stored damaged")
            self.happened.state_damaged[run_id] = key
            return data[:-3]
        return data

    @contextmanager
    def open_dataset(self, options: RunOptions) -> Iterator[FakeDataset]:
        """The port OpenDataset; a source's name is the run's."""
        self.take_time(options.source, 0.5)
        script = self.scripts[options.source]
        changed = self.changed(script)
        if changed:
            self.happened.source_failures[script.name] += 1
            self.happened.source_changed.add(script.name)
        yield FakeDataset(self, script, script.source_changes if changed else None)

    def changed(self, script: Script) -> bool:
        """Whether something was put in the place of a run's source or tokenizer by now."""
        return self.network.scheduler.now > script.source_changes_s

    def plan(self, run_id: str, options: RunOptions, reading: ReadingProgress, at: str) -> RunMetadata:
        """See Computer.plan."""
        source, script = reading.source, self.scripts[run_id]
        assert options.source == source["name"] == run_id
        self.take_time(run_id, 3)
        self._maybe_unavailable()
        if reading.tokens != tokens(script.source_changes if self.changed(script) else None):
            self.network.note("rows of another tokenizer found")
            self.happened.source_changed.add(run_id)
            raise SaescopeError("the tokenizer changed")
        if self.happened.model_failures[run_id] < self.scripts[run_id].models_fail:
            self.happened.model_failures[run_id] += 1
            self.network.note("models can't be loaded")
            if self.happened.model_failures[run_id] % 2 == 0:
                raise MemoryError
            raise SaescopeError("no such model")
        kind = {"kind": self.network.scheduler.running.process.kind}
        changes = {"run_id": run_id, "options": options, "source": dict(source), "versions": kind}
        return _plan().model_copy(update=changes)

    @staticmethod
    def kept(run_id: str, num_chunks: int, failed: set[int], mark: str) -> dict[str, bytes]:
        """What must be kept of a run with failed chunks and such rows: the state before the first of them."""
        if not failed:
            return {}
        before = range(min(failed))
        smallest = examples.chosen((example_of(run_id, chunk), chunk) for chunk in before)
        state = FakeState(run_id, tuple(f"{chunk} encoded" for chunk in before), smallest, mark * len(before))
        return {f"{run_id}/before-failures/{min(failed):06d}": state.to_bytes()}

    def vocabulary(self, plan: RunMetadata) -> list[bytes]:
        """See Computer.vocabulary."""
        return [plan.run_id.encode()]

    def unfit(self, plan: RunMetadata) -> str | None:
        """See Computer.unfit."""
        kind = self.network.scheduler.running.process.kind
        if kind == plan.versions["kind"]:
            return None
        self.network.note("encoder of another kind")
        return f"this is kind {kind}, and the run was begun on another"

    def load_models(self, plan: RunMetadata) -> None:
        """See Computer.load_models."""
        self.take_time(plan.run_id, 1)

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, cutoffs: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        """See Computer.encode."""
        run_id = plan.run_id
        mark = self._mark_of_rows(run_id, chunk, data)
        if plan.versions["kind"] != self.network.scheduler.running.process.kind:
            self.happened.mixed_up.append(f"chunk {chunk} of {run_id} is encoded by another kind")
        for _batch in range(3):
            self.take_time(run_id, 1.5)
            moved()
        self._raise_or_die(run_id, chunk)
        self._maybe_unavailable()
        example, merged_chunks = str(example_of(run_id, chunk)), "0:"
        known = self._some_cutoffs(run_id, cutoffs())
        if known is not None and to_merged_chunks(known.merged_chunks).next_chunk <= chunk:
            self.network.note("cutoffs of earlier chunks known")
            merged_chunks = known.merged_chunks
            if not known.reached_by(int(example)):
                self.network.note("example left out")
                example = "-"
        partial = f"{run_id} {chunk} {example} {merged_chunks} {mark} encoded"
        kinds = ("prompts", "token table", "token samples")
        prompts, table, samples = (f"{kind} of {run_id} {chunk}\n".encode() for kind in kinds)
        return ChunkOutput(partial.encode(), prompts, table, samples)

    def _raise_or_die(self, run_id: str, chunk: int) -> None:
        """What the run's script has for the encoding of a chunk, or for what comes after all chunks."""
        script, happened = self.scripts[run_id], self.happened
        process = self.network.scheduler.running.process
        if process.name in self.network.plan.broken:
            self.network.note("broken encoder raises")
            raise RuntimeError("CUDA error: this device is broken")
        if happened.hung[run_id, chunk] < script.hanging.get(chunk, 0):
            happened.hung[run_id, chunk] += 1
            self.network.note("encoding hangs")
            self.network.scheduler.wait()  # for ever
        if chunk in script.poison:
            self.network.note("poison chunk")
            self.network.scheduler.crash(self.network.scheduler.running.process)
        if happened.raised[run_id, chunk] < script.raising.get(chunk, 0):
            happened.raised[run_id, chunk] += 1
            self.network.note("encoding raises")
            raise random_error(self.network.scheduler.random)

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> ChunkOutput:
        """See Computer.failed."""
        mark = self._mark_of_rows(plan.run_id, chunk, data)
        self._maybe_unavailable(50)  # what happens rarely
        self.network.note("chunk given up")
        self.happened.given_up.add((plan.run_id, chunk))
        self.given_up(plan.run_id, chunk, error)
        return ChunkOutput(f"{plan.run_id} {chunk} - 0: {mark} failed".encode(), None, error=error)

    def of_weights(self, plan: RunMetadata, store: Store, moved: Moved) -> Mapping[str, bytes]:
        """See Computer.of_weights."""
        for _tile in range(2):
            self.take_time(plan.run_id, 1)
            moved()
        self._raise_or_die(plan.run_id, self.scripts[plan.run_id].num_chunks)
        self._maybe_unavailable()
        self.network.note("weights computed")
        return weights_of(plan.run_id)

    def without_weights(self, plan: RunMetadata, error: str) -> Mapping[str, bytes]:
        """See Computer.without_weights."""
        self.network.note("weights given up")
        self.happened.given_up.add((plan.run_id, self.scripts[plan.run_id].num_chunks))
        self.given_up(plan.run_id, self.scripts[plan.run_id].num_chunks, error)
        return dict.fromkeys(weights_of(plan.run_id), NO_WEIGHTS)

    def check(self, plan: RunMetadata) -> None:
        """See Merging.check."""

    def empty(self, plan: RunMetadata) -> FakeState:
        """See Merging.empty."""
        return FakeState(plan.run_id)

    def load(self, data: bytes) -> FakeState:
        """See Merging.load."""
        try:
            content = unseal("state", data)
        except DamagedError:
            self.network.note("damaged state found")
            raise
        run_id, rows, kept, *merged = content.decode().split("\n")
        return FakeState(run_id, tuple(merged), to_examples(kept), rows)

    def merge(self, state: FakeState, partial: bytes) -> FakeState:
        """See Merging.merge."""
        words = partial.decode().split(" ")
        if len(words) != 6 or words[5] not in ("encoded", "failed"):
            self.network.note("damaged partial found")
            raise SaescopeError(f"{partial!r} is damaged")
        if words[:2] != [state.run_id, str(state.next_chunk)]:
            raise ValueError(f"{partial!r} does not come next in {state}")
        if not to_merged_chunks(words[3]).are_in(state.next_chunk, state.failed_chunks):
            self.network.note("partial cut by cutoffs of other chunks")
            raise SaescopeError(f"{partial!r} was cut by chunks that are not in {state}")
        self.take_time(state.run_id, 0.2)
        if self.happened.merge_breaks[state.run_id] < self.scripts[state.run_id].merging_breaks:
            self.happened.merge_breaks[state.run_id] += 1
            self.network.note("merging breaks")
            raise random_error(self.network.scheduler.random)
        new = [] if words[2] == "-" else [(int(words[2]), int(words[1]))]
        kept = examples.chosen([*state.examples, *new])
        return FakeState(state.run_id, (*state.merged, f"{words[1]} {words[5]}"), kept, state.rows_hash + words[4])

    def progress(self, state: FakeState, at: str) -> MergeProgress:
        """See Merging.progress."""
        n, failed = state.next_chunk, len(state.failed_chunks)
        return MergeProgress(
            next_chunk=n, num_records=n, num_tokens=n, num_skipped_rows=0, num_failed_chunks=failed, at=at
        )

    def cutoffs(self, state: FakeState) -> bytes:
        """See Merging.cutoffs."""
        merged_chunks = f"{state.next_chunk}:{','.join(map(str, state.failed_chunks))}"
        return FakeCutoffs(merged_chunks, examples.last_key(state.examples)).to_bytes()

    def publish(self, folder: RunFolder, plan: RunMetadata, state: FakeState) -> RunMetadata:
        """See Merging.publish."""
        assert folder.run_id == plan.run_id == state.run_id
        if len(set(state.rows_hash)) > 1:
            self.happened.mixed_up.append(f"{state} is published")
        encoded = [chunk for chunk in range(state.next_chunk) if chunk not in state.failed_chunks]
        if not encoded:
            self.happened.nothing_to_publish.add(state.run_id)
            raise SaescopeError("no chunk could be encoded")
        prompts = b"".join(folder.store.get(folder.prompts(chunk)) for chunk in encoded)
        (word,) = folder.read_vocabulary()
        self.take_time(state.run_id, 2)
        folder.store.put(folder.key("prompts.jsonl"), prompts)
        tokens = [
            folder.store.get(key(chunk)) for key in (folder.token_table, folder.token_samples) for chunk in encoded
        ]
        folder.store.put(folder.features_by_token, b"".join(tokens))
        folder.store.put(folder.features(0), "\n".join([word, to_text(state.examples), *state.merged]).encode())
        folder.store.put(folder.key("feature_stats.json"), f"{len(state.merged)} chunks of {word}".encode())
        failed = [
            FailedChunk(chunk=chunk, first_row=0, last_row=0, num_rows=0, error="") for chunk in state.failed_chunks
        ]
        return plan.model_copy(
            update={
                "status": "completed_with_errors" if failed else "complete",
                "failed_chunks": failed,
                "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )

    def _some_cutoffs(self, run_id: str, data: bytes | None) -> FakeCutoffs | None:
        """The cutoffs of this or of any earlier state that this run has had; None when there are none."""
        seen = self._cutoffs_seen.setdefault(run_id, [])
        if data is None:
            seen.clear()
            return None
        seen.append(FakeCutoffs.from_bytes(data))
        return self.network.scheduler.random.choice(seen)

    def _mark_of_rows(self, run_id: str, chunk: int, data: bytes) -> str:
        if data == b"damaged":
            raise SaescopeError(f"the rows of chunk {chunk} can't be read")
        rows, _, mark = data.decode().rpartition(" ")
        if rows != f"rows of {run_id} {chunk}":
            self.happened.mixed_up.append(f"chunk {chunk} of {run_id} has {data!r}")
        return mark

    def _maybe_unavailable(self, times_as_often: int = 1) -> None:
        rate = times_as_often * self.network.plan.calls["fail before"]
        if self.network.faulty and self.network.scheduler.random.random() < rate:
            self.network.note("computing lacks something")
            raise UnavailableError("the models' host is down")


@cache
def _plan() -> RunMetadata:
    return RunMetadata(
        run_id="",
        status="running",
        options=RunOptions(),
        source={},
        subject={"name": "subject"},
        autoencoder={"name": "autoencoder"},
        bos_token_id=None,
        num_features=1,
        metrics=[{"name": "metric", "description": "a metric"}],
        versions={},
        started_at="",
        dataset_csv="",
        text_column=None,
        layer_index=0,
        location="",
        max_sequence_length=1,
        top_feature_count=1,
        top_tokens_per_feature=1,
    )
