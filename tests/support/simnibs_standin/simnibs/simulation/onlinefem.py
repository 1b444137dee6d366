"""Solving for many coils on one factorised head."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.fem import CoilDipoles, HeadMesh, HeadModel, direct_fields
from m2m_rt.fem.elements import elements_of_order
from m2m_rt.fem.recover import field_at_roi
from m2m_rt.fem.solve import make_solver
from m2m_rt.units import F64
from simnibs.mesh_tools.mesh_io import ElementData, Msh
from simnibs.simulation.tms_coil.tms_coil import TmsCoil


@dataclass
class FemTargetPointCloud:
    mesh: Msh
    center: F64


class OnlineFEM:
    def __init__(
        self,
        mesh: Msh,
        method: str,
        *,
        coil: TmsCoil,
        cond: ElementData,
        **options: object,
    ) -> None:
        roi = options.pop("roi")
        assert isinstance(roi, list)
        (cloud,) = roi
        assert method == "TMS"
        assert options == {
            "dataType": [1],
            "useElements": True,
            "solver_options": "pardiso",
        }
        assert (mesh.elm.elm_type == 4).all()
        assert cond.mesh is mesh
        self.coil = coil
        head = HeadMesh(
            mesh.nodes.node_coord, mesh.elm.node_number_list - 1, mesh.elm.tag1
        )
        elements = elements_of_order(1, head)
        self._model = HeadModel(
            mesh=head,
            elements=elements,
            load=elements.load(cond.value),
            solver=make_solver(elements.stiffness(cond.value), "auto"),
            at_roi=field_at_roi(head, elements, cloud.center),
        )

    def update_field(self, *, matsimnibs: F64, didt: float) -> list[list[F64]]:
        (element,) = self.coil.elements
        coil = CoilDipoles("mode", element.points, element.values, element.points)
        per_a_per_us = direct_fields(self._model, coil, matsimnibs[np.newaxis])[0]
        return [[per_a_per_us * 1e-6 * element.stimulator.di_dt * didt]]
