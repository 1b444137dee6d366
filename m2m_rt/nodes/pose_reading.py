"""A navigator's numbers to a pose of the coil on the head, or why they are none."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.geometry import (
    HeadExpectation,
    PhysicalFault,
    Rows,
    handle_findings,
    head_from_coil_of_navigator,
    matrix_from_quaternion,
    placement_findings,
    probable_cause,
    rigid_fault,
)
from m2m_rt.nodes.pose_registration import PoseRegistration
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings
from m2m_rt.units import F64

HEAD_RADIUS_MM = 90.0
"""From a planned coil to about the middle of the head, along its axis."""

_LARGEST_ENTRY = 2.0  # of a rotation; keeps squares of garbage from overflowing
_LARGEST_SENT = 1e9  # in any unit; keeps products from overflowing
_NOWHERE = np.zeros((4, 4))


@dataclass(frozen=True, slots=True)
class ReadPose:
    """A pose as it was understood."""

    head_from_coil: F64
    """(4, 4), SimNIBS convention, mm; zeros where there is none."""

    fault: PoseFault | PhysicalFault | None = None
    """Why it must not be used; None where it may."""

    doubt: Callable[[], str] | None = None
    """Says what is physically wrong and the probable cause; None where nothing is that
    a wrong set-up could explain."""

    is_held: bool = False
    """Whether the coil is at the head, and nothing is wrong."""


class PoseReading:
    """Reads poses as a rig's registration says, and judges them against the head."""

    def __init__(
        self,
        settings: PoseSettings,
        registration: PoseRegistration,
        planned_head_from_coil: Rows | None,
    ) -> None:
        """Take what is known; without a planned pose nothing is known of the head."""
        self._settings = settings
        self._is_converted = registration != PoseRegistration()
        self._space = registration.space
        self._head: HeadExpectation | None = None
        self._as_planned: HeadExpectation | None = None  # its handle, too
        if planned_head_from_coil is not None:
            planned = np.array(planned_head_from_coil)
            head = _expectation(planned, settings)
            stated, meant = head.handle_prolongation, planned[:3, 1]
            handle = meant if stated is None else stated
            self._head = head
            self._as_planned = replace(head, handle_prolongation=handle)

    def read(self, values: F64) -> ReadPose:
        """Return the pose in 7 or 16 numbers, NaN for a coil that is not seen."""
        fault = _number_fault(values, self._settings)
        if fault is not None:
            return ReadPose(_NOWHERE, fault)
        sent = _matrix_of(values)
        matrix_fault = _matrix_fault(sent)
        if matrix_fault is not None:
            doubt = self._doubt(matrix_fault, matrix_fault.value, sent)
            return ReadPose(_NOWHERE, matrix_fault, doubt)
        if np.abs(sent[:3, 3]).max() > _LARGEST_SENT:
            return ReadPose(_NOWHERE, PoseFault.OUT_OF_RANGE)
        head_from_coil = self._in_head(sent)
        if head_from_coil is None:
            return ReadPose(_NOWHERE, PoseFault.NOT_TRACKED)
        if np.abs(head_from_coil[:3, 3]).max() > self._settings.max_distance_mm:
            return ReadPose(_NOWHERE, PoseFault.OUT_OF_RANGE)
        return self._judged(head_from_coil, sent)

    def _in_head(self, sent: F64) -> F64 | None:
        if not self._is_converted:
            return sent
        return head_from_coil_of_navigator(sent, self._space)

    def _judged(self, head_from_coil: F64, sent: F64) -> ReadPose:
        if self._head is None:
            return ReadPose(head_from_coil)
        findings = placement_findings(head_from_coil, self._head)
        if not findings:
            return self._right(head_from_coil, sent)
        first = findings[0]
        if first.fault is PhysicalFault.TOO_FAR:  # put down, as like as not
            return ReadPose(_NOWHERE, first.fault)
        doubt = self._doubt(first.fault, str(first), sent)
        return ReadPose(_NOWHERE, first.fault, doubt)

    def _right(self, head_from_coil: F64, sent: F64) -> ReadPose:
        """Return a valid pose; a handle against the plan is a doubt, not a fault.

        A coil may be turned on purpose, and a wrong sign shows in no field's strength.
        """
        head = self._as_planned
        if head is None or not _is_near(head_from_coil, head):
            return ReadPose(head_from_coil)
        for finding in handle_findings(head_from_coil, head):
            if finding.fault is PhysicalFault.HANDLE_REVERSED:
                doubt = self._doubt(finding.fault, str(finding), sent)
                return ReadPose(head_from_coil, doubt=doubt)
        return ReadPose(head_from_coil, is_held=True)

    def _doubt(
        self, fault: PhysicalFault, found: str, sent: F64
    ) -> Callable[[], str] | None:
        """Return what says the probable cause, worked out only when it is asked for."""
        head = self._as_planned
        if head is None:
            return None

        def said() -> str:
            cause = probable_cause(fault, sent, self._space, head)
            return f"{found}; probably {cause}"

        return said


def _is_near(head_from_coil: F64, head: HeadExpectation) -> bool:
    distance_mm = np.linalg.norm(head_from_coil[:3, 3] - head.centre_mm)
    return bool(distance_mm <= head.near_distance_mm)


def _expectation(planned: F64, settings: PoseSettings) -> HeadExpectation:
    """Return what is known of the head under a planned pose (4, 4)."""
    handle = settings.handle_prolongation
    return HeadExpectation(
        centre_mm=planned[:3, 3] + HEAD_RADIUS_MM * planned[:3, 2],
        planned_centre_mm=planned[:3, 3],
        handle_prolongation=None if handle is None else np.array(handle),
        min_distance_mm=settings.min_head_distance_mm,
        max_distance_mm=settings.max_head_distance_mm,
        near_distance_mm=settings.near_head_distance_mm,
        max_tilt_deg=settings.max_tilt_deg,
    )


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


def _matrix_of(values: F64) -> F64:
    if len(values) == 7:
        return matrix_from_quaternion(values[:3], values[3:])
    return values.reshape(4, 4)


def _matrix_fault(sent: F64) -> PhysicalFault | None:
    if np.abs(sent[:3, :3]).max() > _LARGEST_ENTRY:
        return PhysicalFault.NOT_RIGID
    fault = rigid_fault(sent)
    if fault is None:
        return None
    is_mirrored = fault == "reflection"
    return PhysicalFault.LEFT_HANDED if is_mirrored else PhysicalFault.NOT_RIGID
