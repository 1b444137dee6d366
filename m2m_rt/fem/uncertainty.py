"""What a table's field would change by if conductivities or the coil were others."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from m2m_rt.efield import Uncertainty
from m2m_rt.fem.coils import DEMO_COIL_NAME, CoilDipoles
from m2m_rt.fem.direct import HeadModel
from m2m_rt.fem.solve import make_solver
from m2m_rt.fem.sources import coil_edge_integrals
from m2m_rt.fem.tissues import Tissue
from m2m_rt.units import F64

CONDUCTIVITY_CHANGE = 0.25
"""Up and down, one tissue at a time. A round figure: published values spread by about
that much for scalp and CSF, and wider for skull, grey and white matter (Saturnino et
al. 2019, NeuroImage 188)."""

UNKNOWN_COIL_ERROR = (
    math.nan,
    "not known: compare the coil's file with a measured field",
)
DEMO_COIL_ERROR = (
    0.09,
    "a figure-of-eight of nominal dimensions: its B is 8 to 9 % off a measured one",
)


def estimate_uncertainty(
    model: HeadModel,
    coil: CoilDipoles,
    planned_head_from_coil: F64,
    coil_error: tuple[float, str] = UNKNOWN_COIL_ERROR,
    progress: Callable[[float], None] = lambda _: None,
) -> Uncertainty:
    """Solve the planned pose again with each conductivity changed; minutes.

    Parameters
    ----------
    model
        Of first order whatever the table's: what counts is how much the field changes,
        and the elements' own error is in both fields.
    coil_error
        Relative error of the coil's B, and where the figure comes from.
    """
    (changes,) = conductivity_errors(model, [(coil, planned_head_from_coil)], progress)
    return uncertainty_of(changes, coil_error)


def conductivity_errors(
    model: HeadModel,
    coils: Sequence[tuple[CoilDipoles, F64]],
    progress: Callable[[float], None] = lambda _: None,
) -> F64:
    """Return the larger change (n_coils, n_tissues) of each coil's field at its pose.

    Each change of a conductivity is factorised once for all coils.
    """
    nodes_mm, edges = model.mesh.nodes_mm, model.elements.edges
    integrals = np.column_stack(
        [
            coil_edge_integrals(coil, pose, nodes_mm=nodes_mm, edges=edges)
            for coil, pose in coils
        ]
    )
    reference = model.field(integrals)  # (3 · n_roi, n_coils)
    size = np.linalg.norm(reference, axis=0)
    errors = np.zeros((len(coils), len(Tissue)))
    cases = list(conductivity_cases())
    for k, (tissue, factor) in enumerate(cases):
        away = _changed(model, tissue, factor).field(integrals) - reference
        column = list(Tissue).index(tissue)
        change = np.linalg.norm(away, axis=0) / size
        errors[:, column] = np.maximum(errors[:, column], change)
        progress((k + 1) / len(cases))
    return errors


def coil_error_of(coil: CoilDipoles) -> tuple[float, str]:
    """Return what is known of a coil model's error, and where it is from."""
    return DEMO_COIL_ERROR if coil.name == DEMO_COIL_NAME else UNKNOWN_COIL_ERROR


def uncertainty_of(changes: F64 | None, coil_error: tuple[float, str]) -> Uncertainty:
    """Return an uncertainty of changes by tissue, None if unknown, and a coil's."""
    names = [tissue.name.lower() for tissue in Tissue]
    known = {} if changes is None else dict(zip(names, changes.tolist(), strict=True))
    return Uncertainty(
        conductivity_change=CONDUCTIVITY_CHANGE,
        conductivity_rel_error=known,
        coil_rel_error=coil_error[0],
        coil_source=coil_error[1],
    )


def conductivity_cases() -> Iterator[tuple[Tissue, float]]:
    """Yield what is changed, one tissue at a time, and by what factor."""
    for tissue in Tissue:
        yield tissue, 1.0 + CONDUCTIVITY_CHANGE
        yield tissue, 1.0 - CONDUCTIVITY_CHANGE


def _changed(model: HeadModel, tissue: Tissue, factor: float) -> HeadModel:
    """Return the model with one tissue's conductivity multiplied, factorised anew."""
    conductivities = model.conductivities.changed(tissue, factor)
    sigma = conductivities.of(model.mesh.tissue)
    return replace(
        model,
        load=model.elements.load(sigma),
        solver=make_solver(model.elements.stiffness(sigma)),
        conductivities=conductivities,
    )
