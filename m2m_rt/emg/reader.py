"""The whole way of the EMG, from rows to MEPs: what live and offline both use."""

from collections.abc import Sequence
from dataclasses import dataclass

from m2m_rt.emg.epochs import EpochCutter
from m2m_rt.emg.filters import CausalFilter
from m2m_rt.emg.mep import MepMeter, PulseMeps
from m2m_rt.emg.settings import EmgSettings
from m2m_rt.emg.trigger import TriggerDetector
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class EmgReading:
    """What the last rows have completed."""

    edges: tuple[int, ...]
    """Rows of the pulses newly seen, since the stream's start."""

    meps: tuple[PulseMeps, ...]
    """Of the pulses whose epoch is whole, in the order of the pulses."""


class EmgReader:
    """Turns EMG rows and a trigger channel into MEPs.

    The same rows give the same readings, bit for bit, however they are cut.
    """

    def __init__(self, settings: EmgSettings, fs_hz: float) -> None:
        """Make a reader for the settings' muscles at ``fs_hz``.

        Raises
        ------
        ConfigError
            If the settings do not fit the sampling rate.
        """
        n_muscles = len(settings.muscles)
        self._trigger = TriggerDetector(settings.trigger, fs_hz)
        self._filter = CausalFilter(
            settings.filter,
            fs_hz=fs_hz,
            n_muscles=n_muscles,
            edge_delay_rows=self._trigger.delay_rows,
        )
        self._meter = MepMeter(settings, fs_hz)
        self._cutter = EpochCutter(
            before_rows=self._meter.rows.before_rows,
            after_rows=self._meter.rows.after_rows,
            n_muscles=n_muscles,
        )

    @property
    def delay_rows(self) -> int:
        """How many rows after the end of its windows an MEP is ready."""
        return self._filter.delay_rows

    def push(
        self, emg_uv: F64, trigger: F64, gap_rows: Sequence[int] = ()
    ) -> EmgReading:
        """Take the next rows; return what they have completed.

        Parameters
        ----------
        emg_uv
            Shape (n_rows, n_muscles), in the settings' order of muscles.
        trigger
            Shape (n_rows,), the trigger channel of the same rows.
        gap_rows
            Rows since the stream's start before which others are lost; given with
            or before the rows themselves.
        """
        edges = self._trigger.push(trigger)
        filtered = self._filter.push(emg_uv, edges)
        epochs = self._cutter.push(filtered, edges, gap_rows)
        meps = tuple(self._meter.measure(epoch) for epoch in epochs)
        return EmgReading(tuple(edges), meps)
