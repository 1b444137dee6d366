"""What is read from the EMG does not depend on how the stream is cut."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.emg import (
    CausalFilter,
    EmgReader,
    EmgReading,
    EmgSettings,
    Epoch,
    EpochCutter,
    FilteredRows,
    FilterKind,
    FilterSettings,
    GapDetector,
    GapSettings,
    TriggerDetector,
    TriggerSettings,
    default_muscles,
)

F64 = npt.NDArray[np.float64]
FS_HZ = 5000.0
N_ROWS = 6000
EDGES = (700, 2400, 2500, 5100)
MUSCLES = tuple(m for m in default_muscles() if m.name in {"FDI", "ECR", "BIC"})

cuts_of_rows = st.lists(st.integers(0, N_ROWS), max_size=25).map(sorted)


def chunks(rows: F64, cuts: Sequence[int]) -> list[F64]:
    return np.split(rows, list(cuts))


def nasty_emg(seed: int) -> F64:
    rng = np.random.default_rng(seed)
    at_s = np.arange(N_ROWS) / FS_HZ
    emg_uv = rng.normal(0, 4, (N_ROWS, 3)) + 8 * np.sin(314 * at_s)[:, np.newaxis]
    emg_uv += np.array([-3000.0, 0.0, 800.0])
    for edge in EDGES:
        emg_uv[edge : edge + 25] += 5000 * np.exp(-np.arange(25) / 5)[:, np.newaxis]
        emg_uv[edge + 110 : edge + 160] += 300 * np.hanning(50)[:, np.newaxis]
    emg_uv[rng.integers(0, N_ROWS, 3), rng.integers(0, 3, 3)] = np.nan
    return emg_uv


def trigger_of(edges: Sequence[int]) -> F64:
    trigger = np.zeros(N_ROWS)
    for edge in edges:
        trigger[edge : edge + 25] = 1.0
    return trigger


def read(
    kind: FilterKind, emg_uv: F64, trigger: F64, cuts: Sequence[int]
) -> EmgReading:
    reader = EmgReader(
        EmgSettings(muscles=MUSCLES, filter=FilterSettings(kind=kind)), FS_HZ
    )
    edges: list[int] = []
    meps = []
    for rows, trig in zip(chunks(emg_uv, cuts), chunks(trigger, cuts), strict=True):
        reading = reader.push(rows, trig)
        edges.extend(reading.edges)
        meps.extend(reading.meps)
    return EmgReading(tuple(edges), tuple(meps))


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(FilterKind), seed=st.integers(0, 2**32 - 1), cuts=cuts_of_rows
)
def test_meps_do_not_depend_on_chunking(
    kind: FilterKind, seed: int, cuts: list[int]
) -> None:
    emg_uv, trigger = nasty_emg(seed), trigger_of(EDGES)
    whole = read(kind, emg_uv, trigger, [])
    assert whole.edges == EDGES
    assert len(whole.meps) == len(EDGES)
    assert read(kind, emg_uv, trigger, cuts) == whole


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=cuts_of_rows)
def test_filtered_rows_are_the_same_bits_however_cut(
    seed: int, cuts: list[int]
) -> None:
    emg_uv = nasty_emg(seed)

    def filtered(cuts: Sequence[int]) -> F64:
        causal = CausalFilter(FilterSettings(), fs_hz=FS_HZ, n_muscles=3)
        out, first_row = [], 0
        for rows in chunks(emg_uv, cuts):
            edges = [e for e in EDGES if first_row <= e < first_row + len(rows)]
            out.append(causal.push(rows, edges).filtered_uv)
            first_row += len(rows)
        return np.concatenate(out)

    assert filtered(cuts).tobytes() == filtered([]).tobytes()


@settings(max_examples=100, deadline=None)
@given(
    trigger=st.lists(
        st.sampled_from([0.0, 0.1, 0.4, 0.6, 1.0, 5.0, float("nan")]),
        min_size=1,
        max_size=120,
    ),
    level=st.sampled_from([None, 0.5, 2.0]),
    cuts=st.lists(st.integers(0, 120), max_size=20).map(sorted),
)
def test_edges_do_not_depend_on_chunking(
    trigger: list[float], level: float | None, cuts: list[int]
) -> None:
    rows = np.array([*trigger, *[0.0] * 10])

    def edges(cuts: Sequence[int]) -> list[int]:
        detector = TriggerDetector(TriggerSettings(level=level), FS_HZ)
        return [row for part in chunks(rows, cuts) for row in detector.push(part)]

    assert edges(cuts) == edges([])
    assert edges([]) == sorted(set(edges([])))


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1.0, 1.0, 1.5, 60.0, -80.0]), max_size=80),
    cuts=st.lists(st.integers(0, 80), max_size=20).map(sorted),
)
def test_gaps_do_not_depend_on_chunking(steps: list[float], cuts: list[int]) -> None:
    stamps_s = 1000 + np.cumsum(np.array(steps)) / FS_HZ

    def found(cuts: Sequence[int]) -> list[object]:
        detector = GapDetector(GapSettings(), FS_HZ)
        return [gap for part in chunks(stamps_s, cuts) for gap in detector.push(part)]

    assert found(cuts) == found([])
    assert len(found([])) == sum(step in {60.0, -80.0} for step in steps[1:])


@settings(max_examples=50, deadline=None)
@given(
    edges=st.sets(st.integers(0, 900), max_size=8).map(sorted),
    cuts=st.lists(st.integers(0, 1000), max_size=20).map(sorted),
)
def test_an_epoch_holds_the_rows_around_its_edge(
    edges: list[int], cuts: list[int]
) -> None:
    rows = np.arange(1000.0)[:, np.newaxis]
    cutter = EpochCutter(before_rows=30, after_rows=20, n_muscles=1)
    epochs: list[Epoch] = []
    first_row = 0
    for part in chunks(rows, cuts):
        new = [e for e in edges if first_row <= e < first_row + len(part)]
        epochs += cutter.push(FilteredRows(first_row, part, -part), new, new)
        first_row += len(part)

    assert [epoch.edge_row for epoch in epochs] == edges
    for epoch in epochs:
        inside = np.arange(epoch.edge_row - 30, epoch.edge_row + 21, dtype=float)
        inside[inside < 0] = np.nan
        np.testing.assert_array_equal(epoch.raw_uv[:, 0], inside)
        np.testing.assert_array_equal(epoch.filtered_uv[:, 0], -inside)
        others = {e for e in edges if abs(e - epoch.edge_row) <= 30} - {epoch.edge_row}
        near = {e for e in others if e <= epoch.edge_row + 20}
        assert {at + epoch.edge_row - 30 for at in epoch.other_edges_at} == near
