"""Models swapped and rolled back under a stream of poses, every prediction judged.

The node of `predictd` itself is run. What each model must answer is asked of nodes of
their own, which never swap while they are asked; any mixture of two models, or of one
model and another's posterior, differs from all of these.
"""

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.app.stage_bars import Progress
from m2m_rt.app.swap_bench import (
    N_TRIALS,
    SwapBench,
    Variants,
    ask,
    essence,
    predictions,
    promotion,
    run_node,
)
from m2m_rt.efield import EfieldLookup, draw_pose
from m2m_rt.messages import PromotionRefused
from m2m_rt.nodes import PredictNode

_N_POSES = 24
_READS_A_SWAP = 100
"""On average."""


@dataclass(frozen=True, slots=True)
class SwapPlan:
    """How long and with which draws."""

    n_reads: int
    seed: int


@dataclass(slots=True)
class SwapCount:
    """What happened; counted as it happens."""

    reads: int = 0
    swaps: int = 0
    rollbacks: int = 0
    refused: int = 0
    """Promotions of damaged or missing files; the model in use stayed."""

    torn: int = 0
    """Predictions that no single model would have made."""

    missed: int = 0
    """Poses without exactly one valid prediction."""

    out_of_order: int = 0
    """Predictions of another generation than the last one promoted."""

    writes: int = 0
    """Model files written and removed meanwhile by another thread."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was torn, missed or out of order."""
        return not (self.torn or self.missed or self.out_of_order)

    def as_json(self) -> dict[str, object]:
        """Return what `--json` writes."""
        return asdict(self) | {"generations_monotonic": not self.out_of_order}

    def line(self) -> str:
        """Return what a person reads."""
        return (
            f"{self.reads} predictions, {self.swaps} swaps, {self.rollbacks} of them "
            f"back; {self.refused} damaged or missing models refused; {self.torn} "
            f"torn, {self.missed} missed, {self.out_of_order} out of order"
        )


def check_swaps(
    lookup: EfieldLookup, variants: Variants, plan: SwapPlan, progress: Progress
) -> SwapCount:
    """Predict, swap, roll back; return what happened."""
    rng = np.random.default_rng(plan.seed)
    poses = [draw_pose(lookup.table.region, lookup.guard, rng) for _ in range(_N_POSES)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = ModelFolder(Path(temporary))
        hashes = [folder.store(model) for model in variants.models]
        bench = SwapBench(lookup, folder, variants, hashes, poses)
        right = {one: bench.answers_of(one) for one in hashes}
        damaged = _store_damaged(Path(temporary), variants.models[0], rng)
        with _Writer(Path(temporary), hashes[-1], variants.models[-1]) as writer:
            run = _Run(bench, right, damaged, rng)
            while run.count.reads < plan.n_reads:
                run.read()
                if rng.random() < 1.0 / _READS_A_SWAP:
                    run.promote()
                if run.count.reads % 500 == 0:
                    progress("predicting", run.count.reads, plan.n_reads)
        run.count.writes = writer.n_writes
    return run.count


@dataclass(slots=True)
class _Run:
    """The node under test and what it should be using."""

    bench: SwapBench
    right: dict[str, dict[int, bytes]]
    damaged: str
    rng: np.random.Generator
    count: SwapCount = field(default_factory=SwapCount)
    node: PredictNode = field(init=False)
    lineage: list[str] = field(init=False)
    generation: int = 0

    def __post_init__(self) -> None:
        self.node = self.bench.node()
        self.lineage = [self.bench.hashes[0]]
        self._use(self.bench.hashes[1])  # a swap rebuilds; all answers are after one
        self.lineage.append(self.bench.hashes[1])

    def read(self) -> None:
        """Ask for one prediction and judge it."""
        number = int(self.rng.integers(len(self.bench.poses)))
        made = predictions(
            ask(self.node, self.bench.poses[number], N_TRIALS + self.count.reads)
        )
        self.count.reads += 1
        if len(made) != 1 or not made[0].valid:
            self.count.missed += 1
            return
        model_hash = made[0].model_hash
        self.count.out_of_order += model_hash != self.lineage[-1]
        right = self.right.get(model_hash, {}).get(number)
        self.count.torn += essence(made[0]) != right

    def promote(self) -> None:
        """Promote another model, go back to the parent, or offer a damaged file."""
        choice = self.rng.random()
        if choice < 0.2:
            self._use(self.damaged)
        elif choice < 0.5 and len(self.lineage) > 1:
            parent = self.lineage[-2]
            if self._use(parent):
                self.lineage.pop()
                self.count.rollbacks += 1
        else:
            others = [one for one in self.bench.hashes if one != self.lineage[-1]]
            chosen = others[int(self.rng.integers(len(others)))]
            if self._use(chosen):
                self.lineage.append(chosen)

    def _use(self, model_hash: str) -> bool:
        self.generation += 1
        said = run_node(
            self.node, promotion(model_hash, self.lineage[-1], self.generation)
        )
        if any(isinstance(one, PromotionRefused) for one in said):
            self.count.refused += 1
            return False
        self.count.swaps += 1
        return True


class _Writer:
    """Another thread that stores and removes one model's file all the while."""

    def __init__(self, folder: Path, model_hash: str, model: bytes) -> None:
        self._path, self._model = folder / f"{model_hash}.onnx", model
        self._folder, self._ends = ModelFolder(folder), Event()
        self._thread = Thread(target=self._write, daemon=True)
        self.n_writes = 0

    def __enter__(self) -> "_Writer":
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._ends.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._ends.wait(0.01):
            self._path.unlink(missing_ok=True)
            self._folder.store(self._model)
            self.n_writes += 1


def _store_damaged(folder: Path, model: bytes, rng: np.random.Generator) -> str:
    """Store a model with one flipped bit under the hash of a whole one."""
    bad = bytearray(model)
    place = int(rng.integers(8 * len(model)))
    bad[place // 8] ^= 1 << (place % 8)
    name = "f" * 64
    (folder / f"{name}.onnx").write_bytes(bytes(bad))
    return name
