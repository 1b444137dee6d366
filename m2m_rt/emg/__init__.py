"""EMG: trigger edges, gaps, causal filters, epochs, MEPs and their quality."""

from m2m_rt.emg.background import Background, HumModel
from m2m_rt.emg.epochs import Epoch, EpochCutter
from m2m_rt.emg.filters import CausalFilter, FilteredRows
from m2m_rt.emg.gaps import ClockStep, GapDetector, RowGap
from m2m_rt.emg.mep import MepMeter, PulseMeps
from m2m_rt.emg.onset import leave_noise, slope_tangent
from m2m_rt.emg.quality import QualityReason
from m2m_rt.emg.reader import EmgReader, EmgReading
from m2m_rt.emg.settings import (
    EmgSettings,
    FilterKind,
    FilterSettings,
    GapSettings,
    MepSettings,
    MuscleSettings,
    OnsetDefinition,
    TriggerSettings,
    default_muscles,
)
from m2m_rt.emg.sweeps import MeasuredSweeps, measure_sweeps
from m2m_rt.emg.trigger import TriggerDetector
from m2m_rt.emg.windows import EpochRows, lay_out

__all__ = [
    "Background",
    "CausalFilter",
    "ClockStep",
    "EmgReader",
    "EmgReading",
    "EmgSettings",
    "Epoch",
    "EpochCutter",
    "EpochRows",
    "FilterKind",
    "FilterSettings",
    "FilteredRows",
    "GapDetector",
    "GapSettings",
    "HumModel",
    "MeasuredSweeps",
    "MepMeter",
    "MepSettings",
    "MuscleSettings",
    "OnsetDefinition",
    "PulseMeps",
    "QualityReason",
    "RowGap",
    "TriggerDetector",
    "TriggerSettings",
    "default_muscles",
    "lay_out",
    "leave_noise",
    "measure_sweeps",
    "slope_tangent",
]
