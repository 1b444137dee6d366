"""What every system says of one fold's test pulses, from the store or by a fit."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.nets.paper import PaperHead, PaperInput
from m2m_rt.nets.paper_data import PaperData, PaperDesign, PaperPulses
from m2m_rt.nets.paper_settings import EncoderSettings, MapperSettings
from m2m_rt.nets.paper_training import PaperRun, PaperSettings
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.studies.paper_networks import EncoderBank, fit_networks
from m2m_rt.studies.paper_splits import Fold, SplitName
from m2m_rt.studies.paper_store import Outcome, OutcomeStore
from m2m_rt.studies.simulators import SIMULATORS
from m2m_rt.studies.systems import Fitted, System

_FORMAT = 1
"""Of what a network's fit does: part of the name of every network's stored outcome."""

_CODE_OF_FITS = b"".join(
    file.read_bytes()
    for folder in ("studies", "nets", "learning", "model")
    for file in sorted((Path(__file__).parents[1] / folder).glob("*.py"))
)
"""Part of the name of every other stored outcome. Read on import: it is the code that
runs, not what lies there when a fit ends."""


class StudyPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked, of whom, with which settings."""

    seed: Annotated[int, Meta(ge=0)] = 1
    """Of poses, splits, subjects and weights."""

    n_subjects: Annotated[int, Meta(gt=0)] = 1
    """Of each simulator."""

    simulators: tuple[str, ...] = tuple(SIMULATORS)
    splits: tuple[SplitName, ...] = tuple(SplitName)
    inputs: tuple[PaperInput, ...] = tuple(PaperInput)
    """What the networks see: three of them each."""

    side: int = 32
    design: PaperDesign = PaperDesign()
    encoder: EncoderSettings = EncoderSettings()
    mapper: MapperSettings = MapperSettings()

    @property
    def settings(self) -> PaperSettings:
        """Of the networks, as far as the input does not matter."""
        return PaperSettings(
            side=self.side,
            encoder=self.encoder,
            mapper=self.mapper,
            design=self.design,
        )


QUICK = StudyPlan(
    simulators=("goetz",),
    encoder=EncoderSettings(epochs=4),
    mapper=MapperSettings(epochs=20, rate_step_epochs=3),
    design=PaperDesign(n_pulses=(60, 30, 30, 20)),
)
"""All that the study does in a few minutes; its figures are those of a small try."""


@dataclass(frozen=True, slots=True)
class Study:
    """A plan with everything that its answers are made from."""

    plan: StudyPlan
    head: HeadField
    rivals: tuple[System, ...]
    """Beside the six networks."""

    bank: EncoderBank
    store: OutcomeStore

    @property
    def pulses(self) -> PaperPulses:
        """The poses and intensities that all subjects share."""
        return self.bank.pulses


def fold_outcomes(
    study: Study, data: PaperData, fold: Fold, progress: Progress
) -> dict[str, Outcome]:
    """Return what each network and rival says of a fold's test pulses."""
    outcomes: dict[str, Outcome] = {}
    for kind in study.plan.inputs:
        for head in (PaperHead.DIRECT, PaperHead.BOTH):
            outcomes |= _network_outcomes(study, data, fold, (kind, head), progress)
    for rival in study.rivals:
        key = _key(study, data, fold, rival.name, _source(rival))
        outcome = study.store.read(key)
        if outcome is None:
            fitted = rival.fit(data, fold.training, progress)
            outcome = _outcome(fitted, data, fold)
            study.store.write(key, outcome)
        outcomes[rival.name] = outcome
    return outcomes


def _network_outcomes(
    study: Study,
    data: PaperData,
    fold: Fold,
    system: tuple[PaperInput, PaperHead],
    progress: Progress,
) -> dict[str, Outcome]:
    """Return outcomes of one head, and of `synergy` beside `both`, by their names."""
    kind, last = system
    heads = (last,) if last is PaperHead.DIRECT else (PaperHead.SYNERGY, last)
    names = {head: f"{kind.value}.{head.value}" for head in heads}
    settings = msgspec.json.encode((_FORMAT, study.plan.encoder, study.plan.mapper))
    seen = fold.seen_fields.tobytes()
    keys = {
        head: _key(study, data, fold, name, settings + seen)
        for head, name in names.items()
    }
    stored = {head: study.store.read(key) for head, key in keys.items()}
    if all(outcome is not None for outcome in stored.values()):
        return {names[h]: one for h, one in stored.items() if one is not None}
    coded = study.bank.coded(kind, fold.seen_fields, progress)
    run = PaperRun(last, study.plan.settings, study.plan.seed, progress)
    outcomes = {}
    for head, fitted in fit_networks(coded, data, fold.training, run).items():
        outcomes[names[head]] = _outcome(fitted, data, fold)
        study.store.write(keys[head], outcomes[names[head]])
    return outcomes


def _outcome(fitted: Fitted, data: PaperData, fold: Fold) -> Outcome:
    return Outcome(
        predicted=fitted.predict(data, fold.test),
        n_parameters=fitted.n_parameters,
        n_effective=fitted.n_effective,
        hat_trace=fitted.hat_trace,
    )


def _key(study: Study, data: PaperData, fold: Fold, name: str, how: bytes) -> str:
    """Return a hash of all that an outcome depends on."""
    digest = hashlib.sha256(f"{name} {study.plan.seed} {study.plan.side} ".encode())
    arrays = (data.relative_efield, data.amplitude_uv, fold.training, fold.test)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(how)
    return digest.hexdigest()[:24]


def _source(rival: System) -> bytes:
    """Return a rival's settings, and the text of all code that a fit may come from."""
    settings = re.sub(r" at 0x[0-9a-f]+", "", repr(rival))
    return settings.encode() + _CODE_OF_FITS
