import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.app.cli import main
from m2m_rt.app.config import StimulatorRig
from m2m_rt.efield import didt_a_per_us, intensity_pct_mso, rated_output_fault
from tests.support.coils import HEADERS, some_dipoles, write_ccd


@given(intensity=st.floats(0.0, 100.0), rated=st.floats(10.0, 300.0))
def test_output_and_rate_of_current_are_each_others_inverse(
    intensity: float, rated: float
) -> None:
    didt = didt_a_per_us(
        intensity_pct_mso=intensity, didt_at_100_pct_mso_a_per_us=rated
    )
    back = intensity_pct_mso(didt_a_per_us=didt, didt_at_100_pct_mso_a_per_us=rated)
    assert back == pytest.approx(intensity, rel=1e-12)


def test_rated_output_above_the_coils_limit_is_named() -> None:
    def fault(limit: float | None) -> str | None:
        return rated_output_fault(
            didt_at_100_pct_mso_a_per_us=150.0, coil_didt_max_a_per_us=limit
        )

    assert (fault(None), fault(150.0)) == (None, None)
    assert fault(114.73) == (
        "150 A/µs at 100 % MSO is more than the coil's 114.73 A/µs"
    )


def rig(limit: float | None) -> StimulatorRig:
    section = {
        "stream": {"name": "Stimulator"},
        "coil": "T70",
        "didt_at_100_pct_mso_a_per_us": 150.0,
        "waveform": "biphasic",
        "current_direction": "PA",
        "coil_didt_max_a_per_us": limit,
    }
    return msgspec.convert(section, StimulatorRig)


def test_rig_that_claims_more_than_the_coil_takes_is_refused() -> None:
    assert rig(160.0).coil_didt_max_a_per_us == 160.0
    with pytest.raises(msgspec.ValidationError, match=r"more than the coil's 114\.7"):
        rig(114.7)


def test_coil_command_shows_a_files_limits(tmp_path: Path) -> None:
    path = write_ccd(tmp_path / "own.ccd", *some_dipoles(), HEADERS["full"])
    out = tmp_path / "coil.json"
    assert main(["coil", str(path), "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert (figures["name"], figures["didt_max_a_per_us"]) == ("T70", 114.73)
    assert figures["dipoles"] == 40
