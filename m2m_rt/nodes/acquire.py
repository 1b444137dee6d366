"""Turns what the amplifier, the markers and the stimulator say into the vocabulary."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from m2m_rt.emg import ClockStep, EmgReader, EmgSettings, GapDetector, PulseMeps, RowGap
from m2m_rt.messages import (
    ClockOffset,
    EmgChunk,
    EmgReceived,
    Link,
    LinkChanged,
    MarkerReceived,
    MepMeasured,
    Message,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    SetTimer,
    StimulatorReceived,
    StimulatorState,
    StreamGap,
    Tick,
    pack_f32,
    unpack_f32,
    unpack_f64,
)
from m2m_rt.nodes.markers import Marker, MarkerPairing, PairedMep
from m2m_rt.nodes.watchdog import Watchdog
from m2m_rt.units import F32, F64, RigNs, duration_ns, rig_ns

STARTED = "started"
"""Name of the tick that every node is given first."""

_WATCH = "watch"
_PAIR = "pair"


class AcquireSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How the streams of the amplifier's host are read."""

    fs_hz: float
    """Rows a second of the EMG stream."""

    reading: EmgSettings
    """Muscles in the order of the columns, trigger, filter, windows, quality."""

    chunk_ms: float = 20.0
    """Length of a published `EmgChunk`."""

    marker_wait_ms: float = 150.0
    """How long after the edge a pulse waits for its marker; 0 where there are none."""

    emg_stale_ms: float = 250.0
    stimulator_stale_ms: float = 3000.0
    watch_every_ms: float = 50.0


class AcquireNode:
    """Row by row, so that its answers do not depend on how the stream is cut."""

    def __init__(self, settings: AcquireSettings) -> None:
        """Start before the first row."""
        self._settings = settings
        self._reader = EmgReader(settings.reading, settings.fs_hz)
        self._gaps = GapDetector(settings.reading.gaps, settings.fs_hz)
        self._blocks = _Blocks(settings)
        self._stamps = _RowStamps(settings.fs_hz)
        self._pairing = MarkerPairing(duration_ns(ms=settings.marker_wait_ms))
        self._offset_s: dict[str, float] = {}
        self._n_pulses = 0
        self._watchdogs = {
            "emg": Watchdog("emg", duration_ns(ms=settings.emg_stale_ms)),
            "stimulator": Watchdog(
                "stimulator", duration_ns(ms=settings.stimulator_stale_ms)
            ),
        }

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        """Take one input; give what follows from it."""
        outputs: Iterable[Message] = ()
        match message:
            case EmgReceived():
                outputs = self._take_emg(now_ns, message)
            case MarkerReceived():
                outputs = self._take_marker(now_ns, message)
            case StimulatorReceived():
                outputs = self._take_stimulator(now_ns, message)
            case ClockOffset():
                self._offset_s[message.stream] = message.offset_s
                outputs = (message,)
            case LinkChanged():
                outputs = _link_gap(now_ns, message)
            case Tick():
                outputs = self._take_tick(now_ns, message.name)
            case SessionEvent(kind=SessionEventKind.STOPPING):
                outputs = self._flush()
        return outputs

    def _flush(self) -> Iterable[Message]:
        yield from self._blocks.flush()
        yield from self._paired(self._pairing.give_up())

    def _take_emg(self, now_ns: RigNs, received: EmgReceived) -> Iterable[Message]:
        stamps_s = unpack_f64(received.stamps_s) + self._offset_s.get("emg", 0.0)
        samples = unpack_f32(received.samples)  # (n_rows, n_muscles + 1)
        found = self._gaps.push(stamps_s)
        self._stamps.push(stamps_s)
        last_ns = self._stamps.at(self._stamps.n_rows - 1)
        yield from self._watchdogs["emg"].fed(now_ns, last_ns)
        yield from (self._gap(one) for one in found)
        yield from self._blocks.push(samples, stamps_s)
        emg = samples.astype(np.float64)
        gap_rows = [one.row for one in found]
        reading = self._reader.push(emg[:, :-1], emg[:, -1], gap_rows)
        for row in reading.edges:
            yield self._pulse(row)
        for meps in reading.meps:
            yield from self._take_meps(meps)
        yield from self._pair_timer(now_ns)

    def _pulse(self, row: int) -> PulseFired:
        t_ns = self._stamps.at(row)
        pulse_id = self._n_pulses
        self._n_pulses += 1
        self._pairing.pulse(pulse_id, row=row, t_ns=t_ns)
        return PulseFired(t_ns=t_ns, pulse_id=pulse_id, row=row)

    def _take_meps(self, meps: PulseMeps) -> Iterable[Message]:
        return self._paired(self._pairing.measured(meps.edge_row, meps))

    def _take_marker(self, now_ns: RigNs, got: MarkerReceived) -> Iterable[Message]:
        t_ns = rig_ns(got.device_s + self._offset_s.get("markers", 0.0))
        marker = _read_marker(got.text, t_ns)
        if marker is None:
            reason = f"not a pulse marker: {got.text[:80]!r}"
            yield StreamGap(t_ns=t_ns, stream="markers", n_lost=1, reason=reason)
            return
        yield from self._paired(self._pairing.marker(marker))
        yield from self._pair_timer(now_ns)

    def _take_stimulator(
        self, now_ns: RigNs, got: StimulatorReceived
    ) -> Iterable[Message]:
        t_ns = rig_ns(got.device_s + self._offset_s.get("stimulator", 0.0))
        yield from self._watchdogs["stimulator"].fed(now_ns, t_ns)
        level = got.intensity_pct_mso
        if 0.0 <= level <= 100.0:
            yield StimulatorState(t_ns=t_ns, intensity_pct_mso=level, valid=True)
        else:
            reason = f"intensity {level} is not within 0 to 100 % MSO"
            yield StimulatorState(
                t_ns=t_ns, intensity_pct_mso=None, valid=False, reason=reason
            )

    def _take_tick(self, now_ns: RigNs, name: str) -> Iterable[Message]:
        if name == _PAIR:
            yield from self._paired(self._pairing.expire(now_ns))
            yield from self._pair_timer(now_ns)
            return
        for watchdog in self._watchdogs.values():
            yield from watchdog.looked_at(now_ns)
        due_ns = now_ns + duration_ns(ms=self._settings.watch_every_ms)
        yield SetTimer(t_ns=now_ns, name=_WATCH, due_ns=due_ns)

    def _pair_timer(self, now_ns: RigNs) -> Iterable[Message]:
        due_ns = self._pairing.newly_due_ns()
        if due_ns is not None:
            yield SetTimer(t_ns=now_ns, name=_PAIR, due_ns=due_ns)

    def _paired(self, ready: Sequence[PairedMep | Marker]) -> Iterable[Message]:
        for one in ready:
            if isinstance(one, Marker):
                reason = f"marker of pulse {one.pulse} without a trigger edge"
                yield StreamGap(t_ns=one.t_ns, stream="pulse", n_lost=1, reason=reason)
            else:
                yield _mep_message(one)

    def _gap(self, found: RowGap | ClockStep) -> StreamGap:
        t_ns = self._stamps.at(found.row)
        if isinstance(found, ClockStep):
            reason = f"clock step of {found.step_ms:.1f} ms"
            return StreamGap(t_ns=t_ns, stream="emg", n_lost=-1, reason=reason)
        reason = f"stamp {found.late_ms:.1f} ms late"
        return StreamGap(t_ns=t_ns, stream="emg", n_lost=found.lost_rows, reason=reason)


class _Blocks:
    """Cuts the rows anew into published chunks of one length."""

    def __init__(self, settings: AcquireSettings) -> None:
        self._fs_hz = settings.fs_hz
        self._n_rows = max(1, round(settings.chunk_ms * settings.fs_hz / 1000))
        self._first_row = 0
        self._samples: F32 = np.empty((0, len(settings.reading.muscles) + 1), "f4")
        self._stamps_s: F64 = np.empty(0)

    def push(self, samples: F32, stamps_s: F64) -> Iterable[EmgChunk]:
        """Take rows; give the chunks that are full."""
        self._samples = np.concatenate([self._samples, samples])
        self._stamps_s = np.concatenate([self._stamps_s, stamps_s])
        while len(self._samples) >= self._n_rows:
            yield self._cut(self._n_rows)

    def flush(self) -> Iterable[EmgChunk]:
        """Give what is left at the end of the session."""
        if len(self._samples):
            yield self._cut(len(self._samples))

    def _cut(self, n_rows: int) -> EmgChunk:
        chunk = EmgChunk(
            t_ns=_instant(self._stamps_s[n_rows - 1]),
            first_row=self._first_row,
            fs_hz=self._fs_hz,
            samples=pack_f32(self._samples[:n_rows]),
        )
        self._samples = self._samples[n_rows:]
        self._stamps_s = self._stamps_s[n_rows:]
        self._first_row += n_rows
        return chunk


class _RowStamps:
    """The instants of the last second's rows."""

    def __init__(self, fs_hz: float) -> None:
        self._n_kept = round(fs_hz)
        self._stamps_s: F64 = np.empty(0)
        self.n_rows = 0

    def push(self, stamps_s: F64) -> None:
        """Take the next rows' stamps."""
        self._stamps_s = np.concatenate([self._stamps_s, stamps_s])[-self._n_kept :]
        self.n_rows += len(stamps_s)

    def at(self, row: int) -> RigNs:
        """Return the instant of a row of the last second."""
        return _instant(self._stamps_s[row - self.n_rows])


def _instant(stamp_s: float) -> RigNs:
    """Return an instant; a stamp that is not finite is a clock step, and has none."""
    return rig_ns(float(stamp_s)) if np.isfinite(stamp_s) else RigNs(0)


class _MarkerText(msgspec.Struct, frozen=True):
    """The JSON of a pulse marker; a lab may add fields of its own."""

    pulse: int
    intensity_pct_mso: float | None = None


def _read_marker(text: str, t_ns: RigNs) -> Marker | None:
    """Return the pulse that a marker speaks of, or None if it speaks of none."""
    try:
        read = msgspec.json.decode(text, type=_MarkerText)
    except msgspec.MsgspecError:
        return None
    level = read.intensity_pct_mso
    if level is not None and not 0.0 <= level <= 100.0:
        return None
    return Marker(t_ns=t_ns, pulse=read.pulse, intensity_pct_mso=level)


def _link_gap(now_ns: RigNs, link: LinkChanged) -> Iterable[StreamGap]:
    if link.link is not Link.OPENED:
        reason = f"{link.link}: {link.detail}"
        yield StreamGap(t_ns=now_ns, stream=link.stream, n_lost=-1, reason=reason)


def _mep_message(paired: PairedMep) -> MepMeasured:
    meps, marker = paired.meps, paired.marker
    delay_ms = (marker.t_ns - paired.t_ns) / 1e6 if marker else None
    return MepMeasured(
        t_ns=paired.t_ns,
        pulse_id=paired.pulse_id,
        mep_p2p_uv=meps.amplitude_uv,
        mep_latency_ms=meps.latency_ms,
        preactivation_rms_uv=meps.background_rms_uv,
        present=meps.is_present,
        valid=meps.valid,
        reason=tuple(str(why or "") for why in meps.reasons),
        marker_pulse=marker.pulse if marker else None,
        marker_intensity_pct_mso=marker.intensity_pct_mso if marker else None,
        marker_delay_ms=delay_ms,
    )
