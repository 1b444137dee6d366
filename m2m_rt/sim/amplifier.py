"""The process of amplifier, stimulator and subject: `python -m … SETTINGS.json`."""

import heapq
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pylsl

from m2m_rt.adapters.lsl_outlets import (
    emg_channels,
    emg_outlet,
    marker_outlet,
    stimulator_outlet,
)
from m2m_rt.errors import DataError
from m2m_rt.geometry import matrix_rows
from m2m_rt.sim.emg_signal import EmgSignal
from m2m_rt.sim.lab_control import run_lab_process, say
from m2m_rt.sim.lab_log import LabLogWriter, LabStarted, LabStopped, PulseGiven
from m2m_rt.sim.lab_settings import (
    EMG_STREAM,
    MARKER_STREAM,
    STIMULATOR_STREAM,
    LabSettings,
)
from m2m_rt.sim.navigator import PoseTimeline
from m2m_rt.sim.pulse_writer import PulseWriter
from m2m_rt.sim.schedule import make_schedule
from m2m_rt.sim.stimulation import open_stimulation

PREPARE_BEFORE_S = 1.5
"""A pulse's rows are made this long before it; more than they reach back."""

STATE_EVERY_S = 1.0
FINISH_AFTER_S = 0.5


class Amplifier:
    """Streams EMG, gives the pulses, and writes down what was true."""

    def __init__(self, settings: LabSettings, log: LabLogWriter) -> None:
        """Draw the subject and open the streams; row 0 is now."""
        self._settings = settings
        self._log = log
        self._stimulation = open_stimulation(settings)
        self._schedule = make_schedule(settings)
        self._poses = PoseTimeline(settings, self._schedule)
        self._check_poses()
        self._signal = EmgSignal(
            settings, self._stimulation.subject.recruitment.floor_uv
        )
        self._writer = PulseWriter(settings)
        self._emg = emg_outlet(
            EMG_STREAM,
            emg_channels(settings.muscles),
            fs_hz=settings.fs_hz,
            chunk_rows=settings.chunk_rows,
        )
        self._markers = marker_outlet(MARKER_STREAM)
        self._stimulator = stimulator_outlet(STIMULATOR_STREAM)
        self._order = itertools.count()  # of things due at the same time
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._intensity_pct_mso = settings.pulses[0].intensity_pct_mso
        self._start_s: float | None = None
        self._n_prepared = 0
        self._first_stamp_s: float = pylsl.local_clock()
        self._at(self._first_stamp_s, self._repeat_state)
        log.write(
            LabStarted(
                first_stamp_s=self._first_stamp_s,
                fs_hz=settings.fs_hz,
                muscles=settings.muscles,
                seed=settings.seed,
            )
        )

    def start(self, start_s: float) -> None:
        """Begin the schedule at an instant of the rig clock.

        Raises
        ------
        DataError
            If it is too late for the first pulse, or the schedule has begun.
        """
        first_s = start_s + float(self._schedule.pulse_s[0])
        if self._start_s is not None:
            raise DataError("virtual lab: the schedule has begun already")
        if first_s - PREPARE_BEFORE_S < pylsl.local_clock():
            raise DataError(f"virtual lab: start {start_s} is in the past")
        self._start_s = start_s

    def run_until_due(self) -> None:
        """Wait for the next chunk, push all that are due, do what is due."""
        n_rows = self._settings.chunk_rows
        time.sleep(max(0.0, self._due_s(n_rows) - pylsl.local_clock()))
        while (due_s := self._due_s(n_rows)) <= pylsl.local_clock():
            self._prepare()
            self._emg.push_chunk(self._signal.take(n_rows), due_s)
        now_s = pylsl.local_clock()
        while self._agenda and self._agenda[0][0] <= now_s:
            heapq.heappop(self._agenda)[2]()

    def close(self) -> None:
        """Write down how many rows there were."""
        self._log.write(LabStopped(n_rows=self._signal.next_row))

    def _due_s(self, n_rows: int) -> float:
        """Return the stamp of the last row of the next chunk."""
        return self._stamp_s(self._signal.next_row + n_rows - 1)

    def _stamp_s(self, row: int) -> float:
        return self._first_stamp_s + row / self._settings.fs_hz

    def _at(self, due_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (due_s, next(self._order), do))

    def _prepare(self) -> None:
        """Make the next pulse's rows when they come near."""
        if self._start_s is None or self._n_prepared == len(self._settings.pulses):
            return
        pulse_s = self._start_s + float(self._schedule.pulse_s[self._n_prepared])
        edge_row = int(np.ceil((pulse_s - self._first_stamp_s) * self._settings.fs_hz))
        ahead_rows = edge_row - self._signal.next_row
        if ahead_rows <= PREPARE_BEFORE_S * self._settings.fs_hz:
            self._prepare_pulse(self._n_prepared, edge_row, self._start_s)
            self._n_prepared += 1

    def _prepare_pulse(self, index: int, edge_row: int, start_s: float) -> None:
        number = index + 1
        edge_s = self._stamp_s(edge_row)
        intensity = self._settings.pulses[index].intensity_pct_mso
        head_from_coil = self._poses.pose_at(edge_s - start_s)
        answer = self._stimulation.give(number, head_from_coil, intensity)
        self._signal.add(
            self._writer.pulse(
                number,
                edge_row=edge_row,
                intensity_pct_mso=intensity,
                evoked_uv=answer.evoked_uv,
            )
        )
        active, patch = self._writer.preactivation(number, edge_row=edge_row)
        if patch is not None:
            self._signal.add(patch)
        given = PulseGiven(
            pulse=number,
            row=edge_row,
            t_s=edge_s,
            intensity_pct_mso=intensity,
            head_from_coil=matrix_rows(head_from_coil),
            evoked_uv=tuple(answer.evoked_uv.tolist()),
            expected_log10_uv=tuple(answer.expected_log10_uv.tolist()),
            preactivated=active,
        )
        self._plan_pulse(index, given, start_s)

    def _plan_pulse(self, index: int, given: PulseGiven, start_s: float) -> None:
        """Put what belongs to a pulse on the agenda."""
        self._at(given.t_s, lambda: self._log.write(given))
        self._at(
            start_s + float(self._schedule.marker_s[index]),
            lambda: self._mark(given.pulse, given.intensity_pct_mso),
        )
        if given.pulse == len(self._settings.pulses):
            self._at(given.t_s + FINISH_AFTER_S, lambda: say(finished=given.pulse))
            return
        following = self._settings.pulses[given.pulse].intensity_pct_mso
        self._at(
            start_s + float(self._schedule.set_s[index + 1]),
            lambda: self._set_intensity(following),
        )

    def _mark(self, number: int, intensity_pct_mso: float) -> None:
        marker = {"pulse": number, "intensity_pct_mso": intensity_pct_mso}
        self._markers.push_sample([msgspec.json.encode(marker).decode()])

    def _set_intensity(self, intensity_pct_mso: float) -> None:
        self._intensity_pct_mso = intensity_pct_mso
        self._say_state()

    def _repeat_state(self) -> None:
        self._say_state()
        self._at(pylsl.local_clock() + STATE_EVERY_S, self._repeat_state)

    def _say_state(self) -> None:
        self._stimulator.push_sample([self._intensity_pct_mso])

    def _check_poses(self) -> None:
        """Ask for every pulse's field once, so that a pose outside fails now."""
        for pulse, at_s in zip(
            self._settings.pulses, self._schedule.pulse_s, strict=True
        ):
            self._stimulation.efield_v_per_m(
                self._poses.pose_at(float(at_s)), pulse.intensity_pct_mso
            )


@contextmanager
def open_amplifier(settings: LabSettings) -> Iterator[Amplifier]:
    """Open the streams and the log."""
    with LabLogWriter(Path(settings.log_folder)) as log:
        amplifier = Amplifier(settings, log)
        yield amplifier
        amplifier.close()


if __name__ == "__main__":
    sys.exit(run_lab_process(sys.argv[1:], open_amplifier))
