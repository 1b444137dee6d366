import io

import pytest

from m2m_rt.errors import DataError
from m2m_rt.sim.lab_control import LabControl


def heard(text: bytes) -> LabControl:
    control = LabControl(io.BytesIO(text))
    control._read()  # what the thread does
    control.update()
    return control


def test_start_names_the_instant() -> None:
    assert heard(b"start 123.25\n").start_s == 123.25


def test_end_of_input_stops_the_lab() -> None:
    assert heard(b"").is_stopped


def test_stop_is_obeyed_before_the_input_ends() -> None:
    control = LabControl(io.BytesIO(b"stop\n"))
    assert not control.is_stopped
    control._read()
    control.update()
    assert control.is_stopped


@pytest.mark.parametrize(
    "line", [b"go\n", b"start\n", b"start soon\n", b"start nan\n", b"\xff\n"]
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(DataError, match="lab control"):
        heard(line)
