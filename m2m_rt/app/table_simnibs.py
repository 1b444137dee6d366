"""Tables by way of a user's SimNIBS: the job for it, and what becomes of its fields."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2m_rt.adapters.msh_file import read_msh
from m2m_rt.adapters.msh_write import MshForm, write_msh
from m2m_rt.efield import EfieldTable
from m2m_rt.fem import (
    DirectSolves,
    HeadBuild,
    TableSetup,
    bounded_by_simnibs,
    held_out_of,
    job_arrays,
    mode_layers,
    read_fields,
    solved_by_simnibs,
    table_of_modes,
    write_job,
)
from m2m_rt.fem.build import ModeLayers
from m2m_rt.fem.npz_file import Arrays
from m2m_rt.fem.simnibs_errors import (
    finer_msh,
    layer_coefficients,
    with_simnibs_errors,
)
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class SimnibsWork:
    """What SimNIBS is asked for a head and some coils."""

    build: HeadBuild
    setups: list[TableSetup]
    layers: ModeLayers
    held_out: list[F64]
    """(n, 4, 4) for each set-up: poses that are solved directly."""

    job: Arrays

    head: Path
    """The `.msh` file that SimNIBS is to read."""

    def write(self, path: Path) -> None:
        """Write job and finer mesh, and say how much SimNIBS has to solve."""
        self.build.report("finer mesh for SimNIBS", 0.0)
        finer = path.with_name(f"{path.stem}-finer.msh")
        roi_mm = self.build.head.roi.points_mm
        write_msh(finer_msh(read_msh(self.head), roi_mm), finer, MshForm.BINARY_2)
        write_job(self.job | {"finer_head": np.array(str(finer.resolve()))}, path)
        n_modes, n_poses = len(self.job["mode_am2"]), sum(map(len, self.held_out))
        n_again = len(self.job["changed_s_per_m"])
        self.build.report(
            f"job: {n_modes} modes, {n_poses} coil poses, {n_again} times other "
            "conductivities, and a finer mesh",
            1.0,
        )

    def finish(self, fields: Path) -> list[tuple[EfieldTable, DirectSolves]]:
        """Return each coil's table, and the solves that it can be checked with.

        Raises
        ------
        ConfigError
            If the fields are not there or answer another job.
        DataError
            If they are damaged.
        """
        build = self.build
        answer = read_fields(fields, self.job)
        solved = solved_by_simnibs(
            build.head, self.layers, build.base, self.job, answer
        )
        finished = []
        each_coil = zip(self.setups, self.held_out, answer.direct, strict=True)
        for k, (setup, poses, direct) in enumerate(each_coil):
            table = table_of_modes(setup, solved, build.settings, build.report)
            table = with_simnibs_errors(
                table,
                setup,
                answer.fields_of(layer_coefficients(setup, self.layers)),
                None if answer.changed is None else answer.changed[:, k],
                None if answer.finer is None else answer.finer[k],
            )
            finished.append(
                bounded_by_simnibs(table, build.settings.bound, poses, direct)
            )
        return finished


def simnibs_work(build: HeadBuild, setups: list[TableSetup], head: Path) -> SimnibsWork:
    """Return what SimNIBS is to solve on a head mesh file."""
    build.report("sources and sensors", 0.0)
    layers = mode_layers(build.head, build.base, build.settings)
    held_out = [held_out_of(setup, build.settings.bound) for setup in setups]
    conductivities = build.settings.conductivities
    job = job_arrays(setups, layers, head, held_out, conductivities)
    return SimnibsWork(build, setups, layers, held_out, job, head)
