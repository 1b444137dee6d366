"""What is acquired does not depend on how the amplifier's stream is cut."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.messages import (
    EmgChunk,
    MepMeasured,
    Message,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    StreamGap,
    encode,
    unpack_f32,
)
from m2m_rt.units import F64
from tests.support.acquiring import (
    FS_HZ,
    Lab,
    acquire_node,
    emg_with_pulses,
    marker_at,
    received,
    row_ns,
    stamps_of,
)

N_ROWS = 7000
EDGES = (100, 1500, 3100, 3160, 5600, 6950)
MARKERS = {130: 0, 1560: 1, 3225: 3, 4400: 99, 5595: 4}
SAMPLES = emg_with_pulses(EDGES, N_ROWS)
CUT_BY_5_MS = list(range(10, N_ROWS, 10))

cuts_of_rows = st.lists(st.integers(1, N_ROWS - 1), max_size=30).map(
    lambda rows: sorted(set(rows))
)


def stamps(gap_row: int, nan_row: int) -> F64:
    """Return stamps with 40 ms missing in one place and none at all in another."""
    stamps_s = stamps_of(N_ROWS)
    stamps_s[gap_row:] += 0.04
    stamps_s[nan_row : nan_row + 7] = np.nan
    return stamps_s


def acquired(
    cuts: list[int], *, gap_row: int, nan_row: int
) -> dict[type[Message], list[bytes]]:
    """Return the frames said of each kind, markers coming when they were sent."""
    lab = Lab(acquire_node())
    stamps_s = stamps(gap_row, nan_row)

    def late(row: int) -> float:
        return row + 0.04 * FS_HZ * (row >= gap_row)

    emg: list[Message] = [
        received(
            SAMPLES[first:stop], stamps_s[first:stop], came_ns=row_ns(late(stop - 1))
        )
        for first, stop in itertools.pairwise([0, *cuts, N_ROWS])
    ]
    markers = [marker_at(late(row), pulse) for row, pulse in MARKERS.items()]
    lab.give(*sorted([*emg, *markers], key=lambda one: one.t_ns))
    end_ns = row_ns(N_ROWS + 400)
    lab.give(SessionEvent(t_ns=end_ns, kind=SessionEventKind.STOPPING))
    kinds: dict[type[Message], list[bytes]] = {
        EmgChunk: [],
        PulseFired: [],
        MepMeasured: [],
        StreamGap: [],
    }
    for one in lab.said:
        if not (isinstance(one, StreamGap) and one.reason.startswith(("stale", "fr"))):
            kinds[type(one)].append(encode(one))
    return kinds


@settings(max_examples=25)
@given(
    cuts=cuts_of_rows,
    gap_row=st.sampled_from([900, 3000, 5700]),
    nan_row=st.sampled_from([400, 1495, 5000]),
)
def test_pulses_meps_and_chunks_do_not_depend_on_chunking(
    cuts: list[int], gap_row: int, nan_row: int
) -> None:
    by_5_ms = acquired(CUT_BY_5_MS, gap_row=gap_row, nan_row=nan_row)
    assert len(by_5_ms[PulseFired]) == len(by_5_ms[MepMeasured]) == len(EDGES)
    found = acquired(cuts, gap_row=gap_row, nan_row=nan_row)
    for kind in (EmgChunk, PulseFired, MepMeasured):
        assert found[kind] == by_5_ms[kind]
    assert sorted(found[StreamGap]) == sorted(by_5_ms[StreamGap])


@settings(max_examples=10)
@given(cuts=cuts_of_rows)
def test_the_published_chunks_hold_every_row_once_and_none_across_a_gap(
    cuts: list[int],
) -> None:
    lab = Lab(acquire_node())
    stamps_s = stamps(3000, 6000)
    for first, stop in itertools.pairwise([0, *cuts, N_ROWS]):
        lab.give(received(SAMPLES[first:stop], stamps_s[first:stop]))
    lab.give(SessionEvent(t_ns=row_ns(N_ROWS), kind=SessionEventKind.STOPPING))
    chunks = [one for one in lab.said if isinstance(one, EmgChunk)]
    rows = np.concatenate([unpack_f32(one.samples) for one in chunks])
    np.testing.assert_array_equal(rows, SAMPLES)
    firsts = [one.first_row for one in chunks]
    assert firsts == sorted(set(firsts))
    assert {3000, 6000} <= set(firsts)
