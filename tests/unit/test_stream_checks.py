from dataclasses import replace

import msgspec
import pytest

from m2m_rt.adapters.lsl_emg import EmgRows
from m2m_rt.adapters.lsl_markers import MarkerReader
from m2m_rt.adapters.lsl_pose import POSE_DESCRIPTION, PoseReader
from m2m_rt.adapters.lsl_stimulator import StimulatorReader
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.adapters.stream_header import StreamHeader, difference
from m2m_rt.adapters.units_of_streams import microvolts_per
from m2m_rt.errors import ConfigError

EMG = StreamHeader(
    name="amp",
    type="EMG",
    source_id="sn1",
    fs_hz=5000.0,
    is_text=False,
    n_channels=3,
    labels=("APB", "FDI", "TRIG"),
    units=("uV", "mV", ""),
)
POSE = replace(EMG, fs_hz=50.0, n_channels=7, labels=(), units=(), **POSE_DESCRIPTION)
INTENSITY = replace(EMG, fs_hz=0.0, n_channels=1, labels=("i",), units=("percent_mso",))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("microvolts", 1.0),
        ("uV", 1.0),
        ("\u00b5V", 1.0),
        ("\u03bcV", 1.0),
        ("microV", 1.0),
        ("-6", 1.0),
        (" uV ", 1.0),
        ("mV", 1e3),
        ("V", 1e6),
        ("volts", 1e6),
        ("0", 1e6),
    ],
)
def test_units_seen_in_the_wild_are_understood(unit: str, factor: float) -> None:
    assert microvolts_per(unit) == factor


@pytest.mark.parametrize("unit", ["", "  ", "MV", "UV", "1", "unknown", "mV/cm"])
def test_other_units_are_not_guessed(unit: str) -> None:
    assert microvolts_per(unit) is None


def test_emg_as_the_rig_says_is_accepted() -> None:
    EmgRows(("FDI", "APB"), trigger_channel="TRIG", fs_hz=5000.0).accept(EMG)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (replace(EMG, fs_hz=2000.0), r"found 2000 Hz in stream amp, expected 5000"),
        (replace(EMG, units=("uV", "bananas", "")), r"channel FDI of amp.*'bananas'"),
        (replace(EMG, units=("uV", "", "")), r"channel FDI of amp: found none"),
        (replace(EMG, labels=("APB", "ADM", "TRIG")), r"FDI 0 times among APB ADM"),
        (replace(EMG, labels=("FDI", "FDI", "TRIG")), r"FDI 2 times"),
        (replace(EMG, labels=()), r"among no labels"),
        (replace(EMG, n_channels=2), r"found 3 described, expected all 2"),
        (replace(EMG, n_channels=4), r"found 3 described, expected all 4"),
        (replace(EMG, is_text=True), r"found text in stream amp"),
    ],
)
def test_emg_that_is_not_as_the_rig_says_is_refused_with_what_was_found(
    header: StreamHeader, found: str
) -> None:
    reader = EmgRows(("FDI",), trigger_channel="TRIG", fs_hz=5000.0)
    with pytest.raises(ConfigError, match=found):
        reader.accept(header)


@pytest.mark.parametrize(
    "labels",
    [
        ("x", "y", "z", "qx", "qy", "qz", "qw"),
        ("qw", "qx", "qy", "qz", "X", "Y", "Z"),
        tuple(f"m{row}{column}" for column in range(4) for row in range(4)),
    ],
)
def test_a_pose_whose_labels_say_another_order_is_refused(
    labels: tuple[str, ...],
) -> None:
    header = replace(POSE, n_channels=len(labels), labels=labels)
    with pytest.raises(ConfigError, match=f"found {' '.join(labels).lower()}, expect"):
        PoseReader().accept(header)


@pytest.mark.parametrize("n_channels", [7, 16])
def test_pose_in_head_millimetres_and_simnibs_axes_is_accepted(n_channels: int) -> None:
    PoseReader().accept(replace(POSE, n_channels=n_channels))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (replace(POSE, frame="mri"), r"<frame> of amp: found 'mri', expected 'head'"),
        (replace(POSE, unit="m"), r"found 'm', expected 'mm'"),
        (replace(POSE, convention="brainsight"), r"'brainsight', expected 'simnibs'"),
        (replace(POSE, unit=""), r"<unit> of amp: found none, expected 'mm'"),
        (replace(POSE, n_channels=6), r"6 channels in stream amp, expected 7 or 16"),
        (replace(POSE, is_text=True), r"found text"),
    ],
)
def test_other_poses_are_refused_with_what_was_found(
    header: StreamHeader, found: str
) -> None:
    with pytest.raises(ConfigError, match=found):
        PoseReader().accept(header)


REGISTERED = {"frame": "navigator", "unit": "m", "convention": "brainsight"}


def test_pose_is_accepted_as_the_registration_says() -> None:
    PoseReader(REGISTERED).accept(replace(POSE, **REGISTERED))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frame": "head"}, "found 'head', expected 'navigator', as in"),
        ({"unit": "mm"}, "found 'mm', expected 'm', as in pose.registration"),
        ({"convention": "simnibs"}, "found 'simnibs', expected 'brainsight'"),
        ({"convention": ""}, "found none, expected 'brainsight'"),
    ],
)
def test_pose_that_contradicts_the_registration_is_refused(
    changed: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        PoseReader(REGISTERED).accept(replace(POSE, **REGISTERED | changed))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (replace(INTENSITY, units=("",)), r"found none, expected 'percent_mso'"),
        (replace(INTENSITY, units=("A",)), r"found 'A'"),
        (replace(INTENSITY, n_channels=2), r"2 channels"),
    ],
)
def test_intensity_without_its_unit_is_refused(
    header: StreamHeader, found: str
) -> None:
    StimulatorReader().accept(INTENSITY)
    with pytest.raises(ConfigError, match=found):
        StimulatorReader().accept(header)


def test_markers_must_be_text() -> None:
    MarkerReader().accept(replace(INTENSITY, is_text=True))
    with pytest.raises(ConfigError, match=r"numbers in stream amp"):
        MarkerReader().accept(INTENSITY)


def test_a_restarted_sender_is_the_same_and_a_changed_one_is_not() -> None:
    assert not difference(EMG, replace(EMG, uid="new", hostname="other"))
    assert difference(EMG, replace(EMG, units=("mV", "mV", ""))).startswith("units was")
    assert difference(EMG, replace(EMG, source_id="sn2"))


def test_a_choice_asks_for_exactly_what_it_names() -> None:
    choice = StreamChoice(type="EMG", source_id="it's")
    assert choice.predicate() == "type='EMG' and source_id=\"it's\""
    assert str(choice) == "type 'EMG', source_id \"it's\""


@pytest.mark.parametrize("choice", [{}, {"name": ""}, {"name": "a'b\"c"}])
def test_a_choice_that_fits_anything_or_cannot_be_asked_is_refused(
    choice: dict[str, str],
) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(choice, StreamChoice)
