"""Poses as a navigator sends them, to coil poses that can be trusted or say why not."""

from collections.abc import Iterator, Sequence

import numpy as np

from m2m_rt.geometry import matrix_from_quaternion, rigid_fault
from m2m_rt.messages import (
    ClockOffset,
    CoilPose,
    Link,
    LinkChanged,
    Message,
    PoseReceived,
    SetTimer,
    StreamGap,
    Tick,
    pack_f64,
    unpack_f64,
)
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings
from m2m_rt.units import F64, NS_PER_MS, NS_PER_S, RigNs, duration_ns

STREAM = "pose"
_SILENCE_TIMER = "pose_silent"
_LARGEST_OFFSET_S = 4e9  # a Unix epoch against a clock that starts at boot is 2e9
_LARGEST_ENTRY = 2.0  # of a rotation; keeps squares of garbage from overflowing
_NO_POSE = pack_f64(np.zeros((4, 4)))


class PoseNode:
    """One `CoilPose` for every pose received, and one when they stop coming."""

    def __init__(self, settings: PoseSettings) -> None:
        """Wait for the first pose."""
        self._settings = settings
        self._max_age_ns = duration_ns(ms=settings.max_age_ms)
        self._max_ahead_ns = duration_ns(ms=settings.max_ahead_ms)
        self._silent_ns = duration_ns(ms=settings.silent_after_ms)
        self._offset_ns: int = duration_ns()
        self._has_offset = False
        self._last_t_ns: RigNs | None = None  # the last pose's own time
        self._arrived_ns: RigNs | None = None  # when something last came
        self._is_silent = False  # the gap has been said
        self._is_timed = False
        self._still = _Stillness(settings.frozen_after_s)

    def step(self, now_ns: RigNs, message: Message) -> Sequence[Message]:
        """Take one message; return what follows from it."""
        return tuple(self._answers(now_ns, message))

    def _answers(self, now_ns: RigNs, message: Message) -> Iterator[Message]:
        match message:
            case PoseReceived():
                yield self._coil_pose(now_ns, message)
                self._arrived_ns, self._is_silent = now_ns, False
            case LinkChanged(stream="pose"):
                yield from self._link(now_ns, message)
            case ClockOffset():
                yield from self._take_offset(now_ns, message)
            case Tick(name="pose_silent"):
                yield from self._look_for_silence(now_ns)
        yield from self._wind_timer(now_ns)

    def _coil_pose(self, now_ns: RigNs, received: PoseReceived) -> CoilPose:
        t_ns = RigNs(received.t_ns + self._offset_ns)
        fault = _stamp_fault(received) or self._time_fault(now_ns, t_ns)
        values = unpack_f64(received.values)
        is_still = self._still.lasts(now_ns, received.values.data)
        head_from_coil, shape_fault = _matrix(values, self._settings)
        fault = shape_fault or fault or (PoseFault.FROZEN if is_still else None)
        if fault is not None:
            return _invalid(t_ns, fault)
        return CoilPose(t_ns=t_ns, head_from_coil=pack_f64(head_from_coil), valid=True)

    def _time_fault(self, now_ns: RigNs, t_ns: RigNs) -> PoseFault | None:
        if t_ns > now_ns + self._max_ahead_ns:
            return PoseFault.CLOCK_JUMP
        before_ns, self._last_t_ns = self._last_t_ns, t_ns
        if before_ns is not None and t_ns <= before_ns:
            return PoseFault.CLOCK_JUMP
        return PoseFault.STALE if now_ns - t_ns > self._max_age_ns else None

    def _link(self, now_ns: RigNs, change: LinkChanged) -> Iterator[Message]:
        if change.link is Link.OPENED:
            # A new sender has its own clock; its silence counts from now.
            self._last_t_ns, self._has_offset = None, False
            self._arrived_ns, self._is_silent = now_ns, False
            return
        is_lost = change.link is Link.LOST
        fault = PoseFault.STREAM_LOST if is_lost else PoseFault.STREAM_REFUSED
        reason = f"{change.link}: {change.detail}"
        self._is_silent = True
        yield _gap(now_ns, reason)
        yield _invalid(now_ns, fault)

    def _take_offset(self, now_ns: RigNs, offset: ClockOffset) -> Iterator[Message]:
        yield offset
        if offset.stream != STREAM or abs(offset.offset_s) > _LARGEST_OFFSET_S:
            return
        new_ns = duration_ns(s=offset.offset_s)
        step_ns = abs(new_ns - self._offset_ns) if self._has_offset else 0
        self._offset_ns, self._has_offset = new_ns, True
        if step_ns > duration_ns(ms=self._settings.max_offset_step_ms):
            self._last_t_ns = None
            yield _gap(now_ns, PoseFault.CLOCK_JUMP)

    def _look_for_silence(self, now_ns: RigNs) -> Iterator[Message]:
        self._is_timed = False
        if self._is_silent or self._arrived_ns is None:
            return
        if now_ns - self._arrived_ns < self._silent_ns:
            return
        self._is_silent = True
        yield _gap(now_ns, PoseFault.STALE)
        yield _invalid(now_ns, PoseFault.STREAM_STALE)

    def _wind_timer(self, now_ns: RigNs) -> Iterator[Message]:
        """Ask for one tick at the end of the silence; not one a pose."""
        if self._is_timed or self._is_silent:
            return
        if self._arrived_ns is None:
            self._arrived_ns = now_ns
        self._is_timed = True
        due_ns = max(self._arrived_ns + self._silent_ns, now_ns + 1)
        yield SetTimer(t_ns=now_ns, name=_SILENCE_TIMER, due_ns=due_ns)


class _Stillness:
    """Says for how long the same bits have come."""

    def __init__(self, limit_s: float | None) -> None:
        self._limit_ns = None if limit_s is None else duration_ns(s=limit_s)
        self._bits = b""
        self._since_ns = RigNs(0)

    def lasts(self, now_ns: RigNs, bits: bytes) -> bool:
        """Take the next bits; return whether they have stood still too long."""
        if bits != self._bits:
            self._bits, self._since_ns = bits, now_ns
        return self._limit_ns is not None and now_ns - self._since_ns > self._limit_ns


def _stamp_fault(received: PoseReceived) -> PoseFault | None:
    """Return a fault where the time is that of receipt, for want of a stamp."""
    off_ns = abs(received.device_s * NS_PER_S - received.t_ns)
    return None if off_ns <= NS_PER_MS else PoseFault.NO_STAMP  # NaN is not


def _matrix(values: F64, settings: PoseSettings) -> tuple[F64, PoseFault | None]:
    """Return the pose as (4, 4), and why it is not one."""
    fault = _number_fault(values, settings)
    if fault is not None:
        return values, fault
    if len(values) == 7:
        head_from_coil = matrix_from_quaternion(values[:3], values[3:])
    else:
        head_from_coil = values.reshape(4, 4)
    if np.abs(head_from_coil[:3, :3]).max() > _LARGEST_ENTRY:
        return head_from_coil, PoseFault.NOT_RIGID
    if rigid_fault(head_from_coil) is not None:
        return head_from_coil, PoseFault.NOT_RIGID
    if np.abs(head_from_coil[:3, 3]).max() > settings.max_distance_mm:
        return head_from_coil, PoseFault.OUT_OF_RANGE
    return head_from_coil, None


def _number_fault(values: F64, settings: PoseSettings) -> PoseFault | None:
    if values.shape not in {(7,), (16,)}:
        return PoseFault.WRONG_SHAPE
    if np.any(np.isnan(values)):
        return PoseFault.NOT_TRACKED
    if not np.all(np.isfinite(values)):
        return PoseFault.NOT_FINITE
    if len(values) == 16:
        return None
    if np.abs(values[3:]).max() > _LARGEST_ENTRY:
        return PoseFault.QUATERNION_NOT_UNIT
    deviation = abs(float(np.linalg.norm(values[3:])) - 1.0)
    is_unit = deviation <= settings.quaternion_tolerance
    return None if is_unit else PoseFault.QUATERNION_NOT_UNIT


def _invalid(t_ns: RigNs, fault: PoseFault) -> CoilPose:
    return CoilPose(t_ns=t_ns, head_from_coil=_NO_POSE, valid=False, reason=fault.value)


def _gap(now_ns: RigNs, reason: str) -> StreamGap:
    return StreamGap(t_ns=now_ns, stream=STREAM, n_lost=-1, reason=str(reason))
