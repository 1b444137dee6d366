"""Poses as a navigator sends them, to coil poses that can be trusted or say why not."""

from collections.abc import Iterator, Sequence

import numpy as np

from m2m_rt.geometry import PhysicalFault, Rows
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
from m2m_rt.nodes.pose_reading import PoseReading, ReadPose
from m2m_rt.nodes.pose_registration import PoseRegistration
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings
from m2m_rt.units import LARGEST_STAMP_S, NS_PER_MS, NS_PER_S, RigNs, duration_ns

STREAM = "pose"
_IN_HEAD = PoseRegistration()  # already as they are wanted
_SILENCE_TIMER = "pose_silent"
_NO_POSE = pack_f64(np.zeros((4, 4)))


class PoseNode:
    """One `CoilPose` for every pose received, and one when they stop coming."""

    def __init__(
        self,
        settings: PoseSettings,
        registration: PoseRegistration = _IN_HEAD,
        planned_head_from_coil: Rows | None = None,
    ) -> None:
        """Wait for the first pose.

        Parameters
        ----------
        settings
            Limits on the stream.
        registration
            What the stream's poses are.
        planned_head_from_coil
            About where the coil is to be: tells where the head is. None: poses are not
            judged against it.
        """
        self._settings = settings
        self._reading = PoseReading(settings, registration, planned_head_from_coil)
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
        self._doubts = _Doubts(settings.wrong_poses)

    def step(self, now_ns: RigNs, message: Message) -> Sequence[Message]:
        """Take one message; return what follows from it."""
        return tuple(self._answers(now_ns, message))

    def _answers(self, now_ns: RigNs, message: Message) -> Iterator[Message]:
        match message:
            case PoseReceived():
                read = self._reading.read(unpack_f64(message.values))
                yield self._coil_pose(now_ns, message, read)
                yield from self._say_doubt(now_ns, read)
                self._arrived_ns, self._is_silent = now_ns, False
            case LinkChanged(stream="pose"):
                yield from self._link(now_ns, message)
            case ClockOffset():
                yield from self._take_offset(now_ns, message)
            case Tick(name="pose_silent"):
                yield from self._look_for_silence(now_ns)
        yield from self._wind_timer(now_ns)

    def _coil_pose(
        self, now_ns: RigNs, received: PoseReceived, read: ReadPose
    ) -> CoilPose:
        t_ns = RigNs(received.t_ns + self._offset_ns)
        time_fault = _stamp_fault(received) or self._time_fault(now_ns, t_ns)
        is_still = self._still.lasts(now_ns, received.values.data)
        fault = read.fault or time_fault or (PoseFault.FROZEN if is_still else None)
        if fault is not None:
            return _invalid(t_ns, fault)
        head_from_coil = pack_f64(read.head_from_coil)
        return CoilPose(t_ns=t_ns, head_from_coil=head_from_coil, valid=True)

    def _say_doubt(self, now_ns: RigNs, read: ReadPose) -> Iterator[StreamGap]:
        doubt = self._doubts.lasting(read)
        if doubt is not None:
            yield StreamGap(t_ns=now_ns, stream=STREAM, n_lost=0, reason=doubt)

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
        if offset.stream != STREAM or abs(offset.offset_s) > LARGEST_STAMP_S:
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


class _Doubts:
    """Says once what is wrong with pose after pose, until as many are right again.

    Poses in which the coil is not seen, or not at the head, count for neither.
    """

    def __init__(self, n_in_a_row: int) -> None:
        self._limit = n_in_a_row
        self._n_wrong = 0
        self._n_right = 0
        self._is_said = False

    def lasting(self, read: ReadPose) -> str | None:
        """Take the next pose; return what is to be said, if anything is."""
        if read.is_held:
            self._n_wrong, self._n_right = 0, self._n_right + 1
            self._is_said &= self._n_right < self._limit
        if read.doubt is None:
            return None
        self._n_wrong, self._n_right = self._n_wrong + 1, 0
        if self._is_said or self._n_wrong < self._limit:
            return None
        self._is_said = True
        return f"{self._n_wrong} poses in a row: {read.doubt()}"


def _stamp_fault(received: PoseReceived) -> PoseFault | None:
    """Return a fault where the time is that of receipt, for want of a stamp."""
    off_ns = abs(received.device_s * NS_PER_S - received.t_ns)
    return None if off_ns <= NS_PER_MS else PoseFault.NO_STAMP  # NaN is not


def _invalid(t_ns: RigNs, fault: PoseFault | PhysicalFault) -> CoilPose:
    return CoilPose(t_ns=t_ns, head_from_coil=_NO_POSE, valid=False, reason=fault.value)


def _gap(now_ns: RigNs, reason: str) -> StreamGap:
    return StreamGap(t_ns=now_ns, stream=STREAM, n_lost=-1, reason=str(reason))
