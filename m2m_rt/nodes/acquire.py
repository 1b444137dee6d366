"""Turns what the amplifier, the markers and the stimulator say into the vocabulary."""

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.emg import EmgReader, GapDetector, PulseMeps, QualityReason, RowGap
from m2m_rt.messages import (
    ClockOffset,
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
    unpack_f32,
    unpack_f64,
)
from m2m_rt.nodes.acquire_settings import AcquireSettings
from m2m_rt.nodes.emg_blocks import EmgBlocks
from m2m_rt.nodes.markers import Marker, MarkerPairing, PairedMep
from m2m_rt.nodes.offsets import ClockOffsets, OffsetChange
from m2m_rt.nodes.stamps import NewStamps, RowStamps
from m2m_rt.nodes.watchdog import Watchdog
from m2m_rt.units import F32, F64, RigNs, duration_ns, instant_of, to_ms

_EMG, _MARKERS, _STIMULATOR = "emg", "markers", "stimulator"
_KEPT_STAMPS_S = 1.0


class AcquireNode:
    """Row by row, so that its answers do not depend on how the stream is cut."""

    def __init__(self, settings: AcquireSettings) -> None:
        """Start before the first row."""
        reading, fs_hz = settings.reading, settings.fs_hz
        self._watch_every_ns = duration_ns(ms=settings.watch_every_ms)
        self._rise_ns = duration_ns(ms=reading.trigger.rise_ms)
        self._n_muscles = len(reading.muscles)
        self._reader = EmgReader(reading, fs_hz)
        self._gaps = GapDetector(reading.gaps, fs_hz)
        self._blocks = EmgBlocks(
            fs_hz=fs_hz, chunk_ms=settings.chunk_ms, n_channels=self._n_muscles + 1
        )
        keep_s = _KEPT_STAMPS_S + reading.trigger.rise_ms / 1000
        self._stamps = RowStamps(fs_hz, keep_s=keep_s)
        self._were_rows_refused = False
        self._pairing = MarkerPairing(duration_ns(ms=settings.marker_wait_ms))
        self._offsets = ClockOffsets(
            (_EMG, _MARKERS, _STIMULATOR), max_step_ms=settings.max_offset_step_ms
        )
        self._n_pulses = 0
        self._emg_watchdog = Watchdog(_EMG, duration_ns(ms=settings.emg_stale_ms))
        self._stimulator_watchdog = Watchdog(
            _STIMULATOR, duration_ns(ms=settings.stimulator_stale_ms)
        )

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
                outputs = self._take_offset(now_ns, message)
            case LinkChanged():
                self._offsets.link(message)
                outputs = _broken_link(now_ns, message)
            case Tick():
                outputs = self._take_tick(now_ns, message.name)
            case SessionEvent(kind=SessionEventKind.STOPPING):
                outputs = self._flush()
        return outputs

    def _take_emg(self, now_ns: RigNs, received: EmgReceived) -> Iterable[Message]:
        own_s = unpack_f64(received.stamps_s)
        samples = unpack_f32(received.samples)
        if samples.shape != (len(own_s.ravel()), self._n_muscles + 1):
            reason = f"rows of shape {samples.shape} with {own_s.shape} stamps refused"
            self._were_rows_refused = True
            yield StreamGap(t_ns=now_ns, stream=_EMG, n_lost=-1, reason=reason)
        elif len(samples):
            yield from self._take_rows(now_ns, own_s.ravel(), samples)

    def _take_rows(self, now_ns: RigNs, own_s: F64, samples: F32) -> Iterable[Message]:
        first_row = self._stamps.n_rows
        new = self._stamps.push(own_s, self._offsets.of(_EMG))
        last_ns = self._stamps.at(self._stamps.n_rows - 1)
        yield from self._emg_watchdog.fed(now_ns, last_ns)
        gaps = self._find_gaps(new)
        yield from gaps.values()
        gap_rows = sorted(gaps)
        if self._were_rows_refused:
            self._were_rows_refused = False
            gap_rows = sorted({first_row, *gap_rows})
        yield from self._blocks.push(samples, new.stamps_s, gap_rows)
        yield from self._read(now_ns, samples, (*gap_rows, *new.unusable_rows))
        self._pairing.edges_known_until(last_ns - self._rise_ns)
        yield from self._pair(now_ns)

    def _read(
        self, now_ns: RigNs, samples: F32, gap_rows: Sequence[int]
    ) -> Iterable[PulseFired]:
        """Give the pulses in new rows; keep their MEPs until they are paired."""
        emg = samples.astype(np.float64)
        reading = self._reader.push(emg[:, :-1], emg[:, -1], gap_rows)
        for row in reading.edges:
            t_ns = self._stamps.at(row)
            yield PulseFired(t_ns=t_ns, pulse_id=self._n_pulses, row=row)
            self._pairing.pulse(self._n_pulses, row=row, t_ns=t_ns, seen_ns=now_ns)
            self._n_pulses += 1
        for meps in reading.meps:
            self._pairing.measured(meps.edge_row, meps)

    def _find_gaps(self, new: NewStamps) -> dict[int, StreamGap]:
        """Return what the stamps say is wrong, by the row before which it lies."""
        no_time = (-1, "a stamp that is no time")
        found = dict.fromkeys(new.turned_bad_rows, no_time)
        for one in self._gaps.push(new.own_s):
            if isinstance(one, RowGap):
                found[one.row] = one.lost_rows, f"stamp {one.late_ms:.1f} ms late"
            else:
                found[one.row] = -1, f"clock step of {one.step_ms:.1f} ms"
        return {
            row: StreamGap(
                t_ns=self._stamps.at(row), stream=_EMG, n_lost=n_lost, reason=reason
            )
            for row, (n_lost, reason) in sorted(found.items())
        }

    def _take_marker(self, now_ns: RigNs, got: MarkerReceived) -> Iterable[Message]:
        t_ns = instant_of(got.device_s + self._offsets.of(_MARKERS))
        read = _read_marker(got.text)
        if t_ns is None or read is None:
            reason = f"not a pulse marker: {got.text[:80]!r}"
            if t_ns is None:
                reason = f"marker stamped {got.device_s}, which is no time"
            yield StreamGap(t_ns=now_ns, stream=_MARKERS, n_lost=1, reason=reason)
            return
        self._pairing.marker(Marker(t_ns, read.pulse, read.intensity_pct_mso))
        yield from self._pair(now_ns)

    def _pair(self, now_ns: RigNs) -> Iterable[Message]:
        """Give the MEPs that wait for nothing any more."""
        for one in self._pairing.take_ready(now_ns):
            yield self._paired(one)
        due_ns = self._pairing.newly_due_ns()
        if due_ns is not None:
            yield SetTimer(t_ns=now_ns, name="pair", due_ns=due_ns)

    def _paired(self, one: PairedMep | Marker) -> MepMeasured | StreamGap:
        if isinstance(one, PairedMep):
            return _mep_message(one, one.meps or _unmeasured(self._n_muscles))
        reason = f"marker of pulse {one.pulse} without a trigger edge"
        return StreamGap(t_ns=one.t_ns, stream="pulse", n_lost=1, reason=reason)

    def _take_stimulator(
        self, now_ns: RigNs, got: StimulatorReceived
    ) -> Iterable[Message]:
        t_ns = instant_of(got.device_s + self._offsets.of(_STIMULATOR))
        level = got.intensity_pct_mso
        if t_ns is None:
            reason = f"state stamped {got.device_s}, which is no time"
            yield StreamGap(t_ns=now_ns, stream=_STIMULATOR, n_lost=1, reason=reason)
            yield _unknown_intensity(now_ns, reason)
            return
        yield from self._stimulator_watchdog.fed(now_ns, t_ns)
        if 0.0 <= level <= 100.0:
            yield StimulatorState(t_ns=t_ns, intensity_pct_mso=level, valid=True)
        else:
            reason = f"intensity {level} is not within 0 to 100 % MSO"
            yield _unknown_intensity(t_ns, reason)

    def _take_offset(self, now_ns: RigNs, offset: ClockOffset) -> Iterable[Message]:
        """Apply the offset of a stream; others (`emg_measured`) are only passed on."""
        yield offset
        before_s = self._offsets.of(_EMG)
        change = self._offsets.take(offset)
        if change is OffsetChange.NEW_CLOCK and offset.stream == _EMG:
            self._gaps.shift(before_s - offset.offset_s)
        if change is OffsetChange.STEP:
            reason = f"clock offset stepped to {offset.offset_s:.6f} s"
            yield StreamGap(t_ns=now_ns, stream=offset.stream, n_lost=0, reason=reason)

    def _take_tick(self, now_ns: RigNs, name: str) -> Iterable[Message]:
        match name:
            case "pair":
                return self._pair(now_ns)
            case "started" | "watch":
                return self._watch(now_ns)
            case _:
                return ()

    def _watch(self, now_ns: RigNs) -> Iterable[Message]:
        yield from self._emg_watchdog.looked_at(now_ns)
        yield from self._stimulator_watchdog.looked_at(now_ns)
        yield SetTimer(t_ns=now_ns, name="watch", due_ns=now_ns + self._watch_every_ns)

    def _flush(self) -> Iterable[Message]:
        yield from self._blocks.flush()
        for one in self._pairing.give_up():
            yield self._paired(one)


class _MarkerText(msgspec.Struct, frozen=True):
    """The JSON of a pulse marker; a lab may add fields of its own."""

    pulse: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    intensity_pct_mso: Annotated[float, Meta(ge=0, le=100)] | None = None


def _read_marker(text: str) -> _MarkerText | None:
    """Return the pulse that a marker speaks of, or None if it speaks of none."""
    try:
        return msgspec.json.decode(text, type=_MarkerText)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _broken_link(now_ns: RigNs, link: LinkChanged) -> Iterable[Message]:
    """Say that a stream is gone; a stimulator that is gone may be set to anything."""
    if link.link is Link.OPENED:
        return
    reason = f"{link.link}: {link.detail}"
    yield StreamGap(t_ns=now_ns, stream=link.stream, n_lost=-1, reason=reason)
    if link.stream == _STIMULATOR:
        yield _unknown_intensity(now_ns, reason)


def _unknown_intensity(t_ns: RigNs, reason: str) -> StimulatorState:
    return StimulatorState(
        t_ns=t_ns, intensity_pct_mso=None, valid=False, reason=reason
    )


def _unmeasured(n_muscles: int) -> PulseMeps:
    """Return the MEPs of a pulse whose EMG never came."""
    nothing = (None,) * n_muscles
    return PulseMeps(
        edge_row=-1,
        amplitude_uv=nothing,
        latency_ms=nothing,
        background_rms_uv=nothing,
        hum_rms_uv=nothing,
        is_present=(False,) * n_muscles,
        valid=(False,) * n_muscles,
        reasons=(QualityReason.GAP,) * n_muscles,
    )


def _mep_message(paired: PairedMep, meps: PulseMeps) -> MepMeasured:
    marker = paired.marker
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
        marker_delay_ms=to_ms(marker.t_ns - paired.t_ns) if marker else None,
    )
