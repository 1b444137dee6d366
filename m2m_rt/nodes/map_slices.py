"""The response map, a few candidates at a time, so that no prediction waits for it.

Features of a candidate depend on the model and a found shift only, so they are made
once for each; what is believed of them is asked again after every change of belief. A
map that is not finite throughout is withheld, and that is said once, until one is whole
again.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from m2m_rt.learning import ResponseMap
from m2m_rt.messages import ResponseMapMade, StreamGap, pack_f32
from m2m_rt.nodes.fields import NO_SHIFT, Shift
from m2m_rt.units import F32, F64, RigNs

LEVEL_PCT_RMT = 120.0
"""Of every live map, or all that the stimulator can give: for finding hotspots."""

STREAM = "response_map"

_POSES_A_SLICE = 6
"""Fields and features of so many take about half a millisecond."""

_ROWS_A_SLICE = 64
"""Beliefs of so many take about a third of one."""


class MapSource(Protocol):
    """What knows the answers: the model in use and what it has learnt."""

    @property
    def model_hash(self) -> str:
        """The model in use."""
        ...

    @property
    def posterior_seq(self) -> int:
        """Number of changes of the posterior."""
        ...

    @property
    def shift_mm(self) -> Shift:
        """By how much true poses are taken to lie beside reported ones."""
        ...

    def candidate_features(self, head_from_coil: F64, intensity_pct_rmt: float) -> F32:
        """Return features (n, n_features) of poses (n, 4, 4)."""
        ...

    def answers_at(self, features: F32) -> ResponseMap:
        """Return the answers expected at features (n, n_features)."""
        ...


class MapSlices:
    """Makes one map after every change of belief, in the steps that it is given."""

    def __init__(self, head_from_coil: F64, *, rmt_pct_mso: float) -> None:
        """Map these poses (n, 4, 4); with none, never make a map."""
        self._poses = head_from_coil
        self._level_pct_rmt = min(LEVEL_PCT_RMT, 100.0 * 100.0 / rmt_pct_mso)
        self._intensity_pct_mso = self._level_pct_rmt * rmt_pct_mso / 100.0
        self._features: list[F32] = []
        self._answers: list[ResponseMap] = []
        self._of_model = ""
        self._of_shift = NO_SHIFT
        self._of_posterior = -1
        self._is_made = False
        self._is_withheld = False

    def step(
        self, source: MapSource, t_ns: RigNs
    ) -> Iterable[ResponseMapMade | StreamGap]:
        """Do one slice of work; give the map when whole, or why it is withheld."""
        if not len(self._poses):
            return
        self._notice_changes(source)
        if self._is_made:
            return
        if not self._add_features(source):
            self._add_answers(source)
        if sum(len(part.mean) for part in self._answers) == len(self._poses):
            self._is_made = True
            yield from self._whole(t_ns)

    def _notice_changes(self, source: MapSource) -> None:
        of = source.model_hash, source.shift_mm
        if of != (self._of_model, self._of_shift):
            self._features, (self._of_model, self._of_shift) = [], of
            self._of_posterior = -1
        if source.posterior_seq != self._of_posterior:
            self._answers, self._of_posterior = [], source.posterior_seq
            self._is_made = False

    def _add_features(self, source: MapSource) -> bool:
        """Add some candidates' features; return whether any were missing."""
        n_done = sum(len(part) for part in self._features)
        poses = self._poses[n_done : n_done + _POSES_A_SLICE]
        if not len(poses):
            return False
        self._features.append(source.candidate_features(poses, self._level_pct_rmt))
        return True

    def _add_answers(self, source: MapSource) -> None:
        n_done = sum(len(part.mean) for part in self._answers)
        if len(self._features) > 1:
            self._features = [np.concatenate(self._features)]
        rows = self._features[0][n_done : n_done + _ROWS_A_SLICE]
        self._answers.append(source.answers_at(rows))

    def _whole(self, t_ns: RigNs) -> Iterable[ResponseMapMade | StreamGap]:
        mean, sd, presence = map(self._column, ("mean", "sd", "presence"))
        finite = np.isfinite(np.hstack((mean, sd, presence))).all(axis=1)  # (n,)
        was_withheld, self._is_withheld = self._is_withheld, not bool(finite.all())
        if not self._is_withheld:
            yield ResponseMapMade(
                t_ns=t_ns,
                head_from_coil=pack_f32(self._poses.astype(np.float32)),
                intensity_pct_mso=self._intensity_pct_mso,
                mean_log10_uv=pack_f32(mean),
                sd_log10_uv=pack_f32(sd),
                presence=pack_f32(presence),
                model_hash=self._of_model,
                posterior_seq=self._of_posterior,
            )
        elif not was_withheld:
            bad = f"not finite at {int((~finite).sum())} of {len(self._poses)} poses"
            reason = f"withheld, {bad}, model {self._of_model[:12]}"
            yield StreamGap(t_ns=t_ns, stream=STREAM, n_lost=0, reason=reason)

    def _column(self, name: str) -> F32:
        """Return (n, n_muscles) of the whole map."""
        parts = [getattr(part, name) for part in self._answers]
        with np.errstate(over="ignore"):  # infinite, and then the map is withheld
            values: F32 = np.concatenate(parts).astype(np.float32)
        return values
