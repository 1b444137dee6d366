"""`m2m fit` from the inside: what a muscle's scores are taken from."""

from dataclasses import replace

import numpy as np
import pytest
from support.maps import draw_recording

from m2m_rt.adapters.pose_table import PoseTable
from m2m_rt.errors import DataError
from m2m_rt.studies.fit_scores import require_pulses, score_muscle
from m2m_rt.studies.maps_data import POSITION, ShippedMapSettings
from m2m_rt.studies.maps_scores import running_mean_score

SHIPPED = ShippedMapSettings()
SETTINGS = {
    "position": SHIPPED.position,
    "position_map": SHIPPED.position_map,
    "position_map_drift": SHIPPED.drift,
}


def table(n: int) -> PoseTable:
    recording = draw_recording(np.random.default_rng(0), n)
    return PoseTable(
        pulses=recording.pulses,
        map_names=("1", "2"),
        intensity_unit="",
        mep_uv={"FDI": 10.0**recording.log10_uv},
        row=np.arange(1, n + 1),
        notes=(),
    )


@pytest.mark.parametrize("own", [False, True])
def test_the_running_mean_does_not_know_what_the_recording_taught(own: bool) -> None:
    found = score_muscle(table(40), "FDI", SETTINGS, scale=SHIPPED.level_scale, own=own)
    assert (found.settings[POSITION] != SHIPPED.position) == own
    unseen = running_mean_score(found.recording, SHIPPED.position)
    assert found.running_mean == unseen


def test_muscles_without_pulses_are_named_with_what_fits_the_others() -> None:
    one = table(40)
    dead = np.full(40, np.nan)
    lame = np.where(np.arange(40) < 19, 100.0, np.nan)
    meps = {
        "FDI": one.mep_uv["FDI"],
        "ADM": dead,
        "APB": lame,
        "ECR": one.mep_uv["FDI"],
    }
    told = (
        "ADM: 0, APB: 19 rows with a pose and a valid MEP; expected 20 or more, "
        "or only --muscle FDI --muscle ECR"
    )
    with pytest.raises(DataError) as refused:
        require_pulses(replace(one, mep_uv=meps))
    assert str(refused.value) == told
    with pytest.raises(DataError, match=r"ADM: 0 rows .* 20 or more$"):
        require_pulses(replace(one, mep_uv={"ADM": dead}))
    require_pulses(one)
