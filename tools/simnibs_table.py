"""Solves a head's source modes, and some coil poses, with SimNIBS' finite elements.

Run it with the Python of your SimNIBS (4.5), not with m2m_rt's; it needs nothing else:

    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --simnibs-job job.npz
    simnibs_python tools/simnibs_table.py job.npz fields.npz
    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --from-simnibs fields.npz --out my-table

It solves one system a mode (400), and for every coil the coil's own dipoles at 140
held-out poses: 100 tell the table's error bound, 40 stay with the table for `m2m table
check`. All on one factorised head; the job says how many when it is written.

SimNIBS is called through its public modules; none of its code is here.
"""

import argparse
import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

JOB_FORMAT = "m2m_rt SimNIBS job 2"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 2"
A_PER_S_PER_A_PER_US = 1e6


def main(arguments: list[str]) -> int:
    """Solve the job named first, write the fields to the file named second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--head", help="the .msh file, if not where the job says")
    parser.add_argument("--solver", default="pardiso", help="SimNIBS' solver option")
    options = parser.parse_args(arguments)
    with np.load(options.job, allow_pickle=False) as file:
        job = {name: file[name] for name in file.files}
    if str(job.get("format")) != JOB_FORMAT:
        print(
            f"{options.job}: not a file of the format {JOB_FORMAT!r}", file=sys.stderr
        )
        return 2
    head = options.head or str(job["head"])
    if not Path(head).is_file():
        print(f"{head}: no such head mesh; give it with --head", file=sys.stderr)
        return 2
    _write(options.fields, job, solve(job, head, options.solver))
    return 0


def solve(job: dict[str, Any], head: str, solver: str) -> dict[str, Any]:
    """Return E, V/m per A/µs: of every mode, and of every coil at its poses."""
    mesh_io = importlib.import_module("simnibs.mesh_tools.mesh_io")
    onlinefem = importlib.import_module("simnibs.simulation.onlinefem")
    mesh = mesh_io.read_msh(head).crop_mesh(elm_type=4)
    points = onlinefem.FemTargetPointCloud(mesh, job["roi_mm"])
    fem = onlinefem.OnlineFEM(
        mesh,
        "TMS",
        roi=[points],
        coil=_mode(job, 0),
        dataType=[1],
        useElements=True,
        solver_options=solver,
        cond=_conductivity(mesh_io, mesh, job),
    )
    in_head = [(_mode(job, k), np.eye(4)) for k in range(len(job["mode_am2"]))]
    found = {"efield": _fields(fem, in_head, "mode")}
    for name in _coils(job):
        coil = _coil(job[f"{name}_dipole_mm"], job[f"{name}_moment_am2"])
        placed = [(coil, pose) for pose in job[f"{name}_head_from_coil"]]
        found[f"{name}_efield"] = _fields(fem, placed, f"{name}, pose")
    # A coil without poses has an array of no rows.
    return {
        name: each.reshape(-1, len(job["roi_mm"]), 3) for name, each in found.items()
    }


def _coils(job: dict[str, Any]) -> list[str]:
    """Return the names of the job's coils."""
    ending = "_head_from_coil"
    return [name.removesuffix(ending) for name in job if name.endswith(ending)]


def _fields(fem: Any, placed: list[tuple[Any, Any]], what: str) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return E (n, …) of coils at poses. The factorised system stays."""
    efield = []
    for k, (coil, pose) in enumerate(placed):
        fem.coil = coil
        found = fem.update_field(matsimnibs=pose, didt=1.0)[0][0]
        efield.append(A_PER_S_PER_A_PER_US * np.asarray(found).ravel())
        text = f"\r{what} {k + 1} of {len(placed)} "
        print(text, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.array(efield)


def _mode(job: dict[str, Any], mode: int) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return a mode as a SimNIBS coil whose frame is the head's."""
    moments = job["mode_am2"][mode][:, None] * job["source_normal"]
    return _coil(job["source_mm"], moments)


def _coil(dipole_mm: Any, moment_am2: Any) -> Any:  # noqa: ANN401 - NumPy's and SimNIBS' own
    """Return a SimNIBS coil of dipoles, mm and A·m² per ampere."""
    package = "simnibs.simulation.tms_coil"
    stimulators = importlib.import_module(f"{package}.tms_stimulator")
    elements = importlib.import_module(f"{package}.tms_coil_element")
    coils = importlib.import_module(f"{package}.tms_coil")
    stimulator = stimulators.TmsStimulator("m2m_rt")
    stimulator.di_dt = 1.0
    return coils.TmsCoil([elements.DipoleElements(stimulator, dipole_mm, moment_am2)])


def _conductivity(mesh_io: Any, mesh: Any, job: dict[str, Any]) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return the conductivity of every tetrahedron as SimNIBS wants it."""
    by_tag = dict(zip(job["tags"].tolist(), job["conductivity_s_per_m"], strict=True))
    tags = np.asarray(mesh.elm.tag1)
    unknown = sorted(set(np.unique(tags).tolist()) - set(by_tag))
    if unknown:
        raise SystemExit(f"tetrahedra with tags {unknown}: no conductivity is known")
    values = mesh_io.ElementData(np.array([by_tag[tag] for tag in tags.tolist()]))
    values.mesh = mesh
    return values


def _write(path: Path, job: dict[str, Any], found: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    for name in sorted(set(job) - {"head", "format"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(job[name], dtype="<f8").tobytes())
    version = getattr(importlib.import_module("simnibs"), "__version__", "unknown")
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.array(FIELDS_FORMAT),
            job_sha256=np.array(digest.hexdigest()),
            **found,
            simnibs_version=np.array(str(version)),
        )
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
