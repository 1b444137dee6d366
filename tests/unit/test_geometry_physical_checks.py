import numpy as np
import pytest

from m2m_rt.geometry import (
    CoilConvention,
    HeadExpectation,
    PhysicalFault,
    field_findings,
    likely_conventions,
    pose_findings,
    recording_findings,
)
from m2m_rt.units import F64

HEAD = HeadExpectation(
    centre_mm=np.array((0.0, -15.0, 20.0)),
    handle_prolongation=np.array((0.5, 1.0, 0.0)),
)


def pose(x: tuple, y: tuple, z: tuple, centre: tuple = (0.0, 0.0, 110.0)) -> F64:
    matrix = np.eye(4)
    matrix[:3] = np.column_stack((x, y, z, centre))
    return matrix


GOOD = pose((-1, 0, 0), (0, 1, 0), (0, 0, -1))


def faults(matrix: F64, head: HeadExpectation = HEAD) -> set[PhysicalFault]:
    return {finding.fault for finding in pose_findings(matrix, head)}


def moved(factor: float) -> F64:
    matrix = GOOD.copy()
    matrix[:3, 3] *= factor
    return matrix


@pytest.mark.parametrize(
    ("matrix", "fault"),
    [
        (pose((1, 0, 0), (0, 1, 0), (0, 0, 1)), PhysicalFault.FACES_AWAY),
        (pose((0, 0, -1), (0, -1, 0), (-1, 0, 0)), PhysicalFault.FACES_SIDEWAYS),
        (pose((1, 0, 0), (0, -1, 0), (0, 0, -1)), PhysicalFault.HANDLE_REVERSED),
        (pose((0, 1, 0), (1, 0, 0), (0, 0, -1)), PhysicalFault.HANDLE_SIDEWAYS),
        (pose((1, 0, 0), (0, 1, 0), (0, 0, -1)), PhysicalFault.LEFT_HANDED),
        (GOOD @ np.diag((2.0, 1.0, 1.0, 1.0)), PhysicalFault.NOT_RIGID),
        (moved(1e-3), PhysicalFault.WRONG_UNIT),
        (moved(1 / 25.4), PhysicalFault.WRONG_UNIT),
        (moved(5.0), PhysicalFault.TOO_FAR),
        (moved(0.4), PhysicalFault.INSIDE_HEAD),
    ],
)
def test_fault_is_named(matrix: F64, fault: PhysicalFault) -> None:
    assert fault in faults(matrix)


def test_coil_on_the_head_has_no_fault() -> None:
    assert not pose_findings(GOOD, HEAD)


def test_any_handle_is_right_when_none_is_stated() -> None:
    head = HeadExpectation(centre_mm=HEAD.centre_mm)
    assert not faults(pose((1, 0, 0), (0, -1, 0), (0, 0, -1)), head)


def test_finding_says_what_was_found_and_expected() -> None:
    (finding,) = pose_findings(moved(1e-3), HEAD)[:1]
    assert "like metres" in str(finding)
    assert "50 to 180 mm" in str(finding)


def test_reversed_field_is_found_though_its_strength_is_right() -> None:
    field = np.array(((0.0, 100.0, 5.0), (0.0, 95.0, 0.0), (20.0, 0.0, 0.0)))
    forward = np.array((0.0, 1.0, 0.0))
    assert not field_findings(field, forward)
    (finding,) = field_findings(-field, forward)
    assert finding.fault is PhysicalFault.FIELD_REVERSED


def test_recording_counts_poses_with_each_fault() -> None:
    away = pose((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert recording_findings([GOOD, away, away], HEAD) == {PhysicalFault.FACES_AWAY: 2}


def test_conventions_that_would_be_right_are_named() -> None:
    brainsight = pose((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert likely_conventions(brainsight, HEAD) == (
        CoilConvention.BRAINSIGHT,
        CoilConvention.NAVINIBS,
    )
