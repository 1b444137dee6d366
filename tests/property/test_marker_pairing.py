"""Each pulse leaves once, in order, with the marker that an independent rule gives."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.emg import PulseMeps
from m2m_rt.nodes.markers import EARLY_NS, Marker, MarkerPairing, PairedMep
from m2m_rt.units import DurationNs, RigNs

MS = 1_000_000
WAIT_NS = DurationNs(150 * MS)
EPOCH_NS = 56 * MS
END_MS = 30_000

edges = st.lists(st.integers(1, 4000), max_size=12, unique=True).map(sorted)
markers = st.lists(st.integers(-5, 4200), max_size=12).map(sorted)


@dataclass(frozen=True)
class Event:
    t_ns: int
    edge: int | None = None
    marker: int | None = None


def meps(row: int) -> PulseMeps:
    none: tuple[None, ...] = (None,)
    return PulseMeps(row, none, none, none, none, (False,), (False,), none)


def marker_at(ms: int, number: int) -> Marker:
    return Marker(RigNs(ms * MS), number, None)


def lab(
    edges_ms: list[int], markers_ms: list[int], cuts_ms: list[int]
) -> list[PairedMep | Marker]:
    """Give markers as they happen, and the EMG whenever it is cut."""
    pairing = MarkerPairing(WAIT_NS)
    out: list[PairedMep | Marker] = []
    n_seen = n_measured = n_marked = 0
    for now_ms in (*sorted({*cuts_ms, *markers_ms}), END_MS):
        now_ns = RigNs(now_ms * MS)
        while n_marked < len(markers_ms) and markers_ms[n_marked] <= now_ms:
            pairing.marker(marker_at(markers_ms[n_marked], n_marked))
            out += pairing.take_ready(RigNs(markers_ms[n_marked] * MS))
            n_marked += 1
        if now_ms not in {*cuts_ms, END_MS}:
            continue
        while n_seen < len(edges_ms) and edges_ms[n_seen] <= now_ms:
            t_ns = RigNs(edges_ms[n_seen] * MS)
            pairing.pulse(n_seen, row=n_seen, t_ns=t_ns, seen_ns=now_ns)
            n_seen += 1
        while n_measured < n_seen and edges_ms[n_measured] * MS + EPOCH_NS <= now_ns:
            pairing.measured(n_measured, meps(n_measured))
            n_measured += 1
        pairing.edges_known_until(now_ns)
        out += pairing.take_ready(now_ns)
    return [*out, *pairing.give_up()]


def rule(edges_ms: list[int], markers_ms: list[int]) -> dict[int, int]:
    """Return marker by pulse: each takes the newest free edge that it may follow."""
    owner: dict[int, int] = {}
    for number, marker_ms in enumerate(markers_ms):
        for pulse in reversed(range(len(edges_ms))):
            delay_ns = (marker_ms - edges_ms[pulse]) * MS
            if pulse not in owner and -EARLY_NS <= delay_ns <= WAIT_NS:
                owner[pulse] = number
                break
    return owner


@given(
    edges_ms=edges,
    markers_ms=markers,
    cuts_ms=st.lists(st.integers(0, 4500), max_size=40),
)
def test_every_pulse_leaves_once_in_order_and_no_marker_twice(
    edges_ms: list[int], markers_ms: list[int], cuts_ms: list[int]
) -> None:
    out = lab(edges_ms, markers_ms, cuts_ms)
    pulses = [one.pulse_id for one in out if isinstance(one, PairedMep)]
    given_out = [one.marker for one in out if isinstance(one, PairedMep) and one.marker]
    lone = [one for one in out if isinstance(one, Marker)]
    assert pulses == list(range(len(edges_ms)))
    numbers = sorted(one.pulse for one in (*given_out, *lone))
    assert numbers == list(range(len(markers_ms)))


@given(edges_ms=edges, markers_ms=markers)
def test_markers_go_where_the_rule_says_while_the_emg_flows(
    edges_ms: list[int], markers_ms: list[int]
) -> None:
    out = lab(edges_ms, markers_ms, list(range(0, 4600, 5)))
    found = {
        one.pulse_id: one.marker.pulse
        for one in out
        if isinstance(one, PairedMep) and one.marker
    }
    assert found == rule(edges_ms, markers_ms)


@given(
    edges_s=st.lists(st.integers(1, 20), max_size=8, unique=True).map(sorted),
    delays_ms=st.lists(st.integers(-5, 100), min_size=8, max_size=8),
    is_lost=st.lists(st.booleans(), min_size=8, max_size=8),
    cuts_ms=st.lists(st.integers(0, 25_000), max_size=60),
)
def test_pulses_a_second_apart_get_their_own_marker_however_the_emg_comes(
    edges_s: list[int], delays_ms: list[int], is_lost: list[bool], cuts_ms: list[int]
) -> None:
    edges_ms = [1000 * edge for edge in edges_s]
    sent = {
        edge + delay: pulse
        for pulse, (edge, delay, lost) in enumerate(
            zip(edges_ms, delays_ms, is_lost, strict=False)
        )
        if not lost
    }
    markers_ms = sorted(sent)
    out = lab(edges_ms, markers_ms, cuts_ms)
    found = {
        one.pulse_id: one.marker.t_ns // MS
        for one in out
        if isinstance(one, PairedMep) and one.marker
    }
    assert found == {pulse: marker_ms for marker_ms, pulse in sent.items()}
    assert not [one for one in out if isinstance(one, Marker)]


def test_a_second_marker_of_a_pulse_is_a_marker_without_an_edge() -> None:
    out = lab([100], [110, 120], list(range(0, 1000, 10)))
    assert {type(one) for one in out} == {Marker, PairedMep}
    assert len(out) == 2


def test_a_pulse_does_not_wait_where_there_are_no_markers() -> None:
    pairing = MarkerPairing(DurationNs(0))
    pairing.pulse(0, row=5, t_ns=RigNs(0), seen_ns=RigNs(10))
    assert pairing.take_ready(RigNs(20)) == ()
    pairing.measured(5, meps(5))
    (one,) = pairing.take_ready(RigNs(20))
    assert isinstance(one, PairedMep)


def test_markers_that_wait_for_an_emg_that_is_gone_are_bounded() -> None:
    pairing = MarkerPairing(WAIT_NS)
    out: list[PairedMep | Marker] = []
    for number in range(1000):
        pairing.marker(marker_at(number, number))
        out += pairing.take_ready(RigNs(number * MS))
    assert len(pairing._markers) == 64
    assert [one.pulse for one in out if isinstance(one, Marker)] == list(range(936))
