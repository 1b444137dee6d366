"""Tables by way of a user's SimNIBS: the job for it, and what becomes of its fields."""

from dataclasses import dataclass
from pathlib import Path

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

    def write(self, path: Path) -> None:
        """Write the job, and say how much SimNIBS has to solve."""
        write_job(self.job, path)
        n_modes, n_poses = len(self.job["mode_am2"]), sum(map(len, self.held_out))
        self.build.report(f"job: {n_modes} modes, {n_poses} coil poses", 1.0)

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
        solved = solved_by_simnibs(build.head, self.layers, build.base, answer)
        finished = []
        each_coil = zip(self.setups, self.held_out, answer.direct, strict=True)
        for setup, poses, direct in each_coil:
            table = table_of_modes(setup, solved, build.settings, build.report)
            finished.append(
                bounded_by_simnibs(table, build.settings.bound, poses, direct)
            )
        return finished


def simnibs_work(build: HeadBuild, setups: list[TableSetup], head: Path) -> SimnibsWork:
    """Return what SimNIBS is to solve on a head mesh file."""
    build.report("sources and sensors", 0.0)
    layers = mode_layers(build.head, build.base, build.settings)
    held_out = [held_out_of(setup, build.settings.bound) for setup in setups]
    job = job_arrays(setups, layers, head, held_out)
    return SimnibsWork(build, setups, layers, held_out, job)
