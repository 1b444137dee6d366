"""Solves a head's source modes, and some coil poses, with SimNIBS' finite elements.

Run it with the Python of your SimNIBS (4.5), not with m2m_rt's; it needs nothing else:

    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --simnibs-job job.npz
    simnibs_python tools/simnibs_table.py job.npz fields.npz
    m2m table build --head m2m_ernie --coil C.ccd --target=-38,-22,57 \
        --from-simnibs fields.npz --out my-table

It solves one system a mode (400), and for every coil the coil's own dipoles at 140
held-out poses: 100 tell the table's error bound, 40 stay with the table for `m2m table
check`; all on one factorised head. Then it solves each coil again with every tissue's
conductivity changed (ten more factorisations), and on the finer mesh that was written
beside the job: so the table says what conductivities and mesh leave open. With
`--table-only` these two are left out, and the table says that they are not known. What
is solved is kept part by part: an interrupted run goes on when it is called again.

SimNIBS is called through its public modules; none of its code is here.
"""

import argparse
import hashlib
import importlib
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

JOB_FORMAT = "m2m_rt SimNIBS job 3"
FIELDS_FORMAT = "m2m_rt SimNIBS fields 3"
A_PER_S_PER_A_PER_US = 1e6


def main(arguments: list[str]) -> int:
    """Solve the job named first, write the fields to the file named second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("fields", type=Path)
    parser.add_argument("--head", help="the .msh file, if not where the job says")
    parser.add_argument("--finer-head", help="the finer one, likewise")
    parser.add_argument("--solver", default="pardiso", help="SimNIBS' solver option")
    parser.add_argument("--table-only", action="store_true", help="no errors of it")
    options = parser.parse_args(arguments)
    with np.load(options.job, allow_pickle=False) as file:
        job = {name: file[name] for name in file.files}
    head = options.head or str(job.get("head"))
    finer = options.finer_head or str(job.get("finer_head"))
    wanted = {"--head": head} | ({} if options.table_only else {"--finer-head": finer})
    fault = _fault(job, wanted)
    if fault is not None:
        print(f"{options.job}: {fault}", file=sys.stderr)
        return 2
    found = _kept(options.fields, job)
    _finish(_own_parts(job, head, options.solver), found, job, options.fields)
    if not options.table_only:
        parts = {
            "changed_efield": lambda: _changed(job, head, options.solver),
            "finer_efield": lambda: _finer(job, finer, options.solver),
        }
        _finish(parts, found, job, options.fields)
    return 0


def _fault(job: dict[str, Any], wanted: dict[str, str]) -> str | None:
    """Return what is wrong with a job, or with the heads by their options."""
    if str(job.get("format")) != JOB_FORMAT:
        return f"not a file of the format {JOB_FORMAT!r}"
    for option, path in wanted.items():
        if not Path(path).is_file():
            return f"{path}: no such head mesh; give it with {option}"
    return None


def _finish(
    parts: dict[str, Callable[[], list[Any]]],
    found: dict[str, Any],
    job: dict[str, Any],
    fields: Path,
) -> None:
    """Solve and keep the parts that are not there yet."""
    for name, solve in parts.items():
        if name not in found:
            # A coil without poses has an array of no rows.
            found[name] = np.array(solve()).reshape(-1, len(job["roi_mm"]), 3)
            _write(fields, job, found)


def _own_parts(
    job: dict[str, Any], head: str, solver: str
) -> dict[str, Callable[[], list[Any]]]:
    """Return what solves E, V/m per A/µs, of every mode, and of every coil's poses."""
    made: list[Any] = []

    def fem() -> Any:  # noqa: ANN401 - SimNIBS' own
        if not made:
            made.append(_fem(job, _mesh(head), job["conductivity_s_per_m"], solver))
        return made[0]

    def modes() -> list[Any]:
        return _fields(fem(), _in_head(job, job["mode_am2"]), "mode")

    def poses(name: str) -> list[Any]:
        coil = _coil(job[f"{name}_dipole_mm"], job[f"{name}_moment_am2"])
        placed = [(coil, pose) for pose in job[f"{name}_head_from_coil"]]
        return _fields(fem(), placed, f"{name}, pose") if placed else []

    coils = {f"{name}_efield": partial(poses, name) for name in _coils(job)}
    return {"efield": modes, **coils}


def _changed(job: dict[str, Any], head: str, solver: str) -> list[Any]:
    """Return E of every coil's planned layer for each change of a conductivity."""
    mesh, efield = _mesh(head), []
    for k, values in enumerate(job["changed_s_per_m"]):
        fem = _fem(job, mesh, values, solver)
        what = f"conductivities {k + 1}, coil"
        efield += _fields(fem, _in_head(job, job["layer_am2"][:, 0]), what)
        del fem  # a factor is gigabytes, and the next one comes
    return efield


def _finer(job: dict[str, Any], finer_head: str, solver: str) -> list[Any]:
    """Return E of every coil's layers on the finer mesh."""
    fem = _fem(job, _mesh(finer_head), job["conductivity_s_per_m"], solver)
    moments = job["layer_am2"].reshape(-1, job["layer_am2"].shape[2])
    return _fields(fem, _in_head(job, moments), "finer mesh, layer")


def _mesh(head: str) -> Any:  # noqa: ANN401 - SimNIBS' own
    mesh_io = importlib.import_module("simnibs.mesh_tools.mesh_io")
    return mesh_io.read_msh(head).crop_mesh(elm_type=4)


def _fem(job: dict[str, Any], mesh: Any, by_tag: Any, solver: str) -> Any:  # noqa: ANN401 - SimNIBS' own
    """Return the factorised head with these conductivities of the job's tags."""
    onlinefem = importlib.import_module("simnibs.simulation.onlinefem")
    return onlinefem.OnlineFEM(
        mesh,
        "TMS",
        roi=[onlinefem.FemTargetPointCloud(mesh, job["roi_mm"])],
        coil=_layer(job, job["mode_am2"][0]),
        dataType=[1],
        useElements=True,
        solver_options=solver,
        cond=_conductivity(mesh, job["tags"], by_tag),
    )


def _coils(job: dict[str, Any]) -> list[str]:
    """Return the names of the job's coils."""
    ending = "_head_from_coil"
    return [name.removesuffix(ending) for name in job if name.endswith(ending)]


def _fields(fem: Any, placed: list[tuple[Any, Any]], what: str) -> list[Any]:  # noqa: ANN401 - SimNIBS' own
    """Return E of coils at poses. The factorised system stays."""
    efield = []
    for k, (coil, pose) in enumerate(placed):
        fem.coil = coil
        found = fem.update_field(matsimnibs=pose, didt=1.0)[0][0]
        efield.append(A_PER_S_PER_A_PER_US * np.asarray(found).ravel())
        text = f"\r{what} {k + 1} of {len(placed)} "
        print(text, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return efield


def _in_head(job: dict[str, Any], moments_am2: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - NumPy's
    """Return layers of sources as SimNIBS coils whose frame is the head's."""
    return [(_layer(job, each), np.eye(4)) for each in moments_am2]


def _layer(job: dict[str, Any], normal_am2: Any) -> Any:  # noqa: ANN401 - NumPy's and SimNIBS' own
    return _coil(job["source_mm"], normal_am2[:, None] * job["source_normal"])


def _coil(dipole_mm: Any, moment_am2: Any) -> Any:  # noqa: ANN401 - NumPy's and SimNIBS' own
    """Return a SimNIBS coil of dipoles, mm and A·m² per ampere."""
    package = "simnibs.simulation.tms_coil"
    stimulators = importlib.import_module(f"{package}.tms_stimulator")
    elements = importlib.import_module(f"{package}.tms_coil_element")
    coils = importlib.import_module(f"{package}.tms_coil")
    stimulator = stimulators.TmsStimulator("m2m_rt")
    stimulator.di_dt = 1.0
    return coils.TmsCoil([elements.DipoleElements(stimulator, dipole_mm, moment_am2)])


def _conductivity(mesh: Any, known_tags: Any, values: Any) -> Any:  # noqa: ANN401 - NumPy's and SimNIBS' own
    """Return the conductivity of every tetrahedron as SimNIBS wants it."""
    mesh_io = importlib.import_module("simnibs.mesh_tools.mesh_io")
    by_tag = dict(zip(known_tags.tolist(), values, strict=True))
    tags = np.asarray(mesh.elm.tag1)
    unknown = sorted(set(np.unique(tags).tolist()) - set(by_tag))
    if unknown:
        raise SystemExit(f"tetrahedra with tags {unknown}: no conductivity is known")
    data = mesh_io.ElementData(np.array([by_tag[tag] for tag in tags.tolist()]))
    data.mesh = mesh
    return data


def _job_sha256(job: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(set(job) - {"head", "finer_head", "format"}):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(job[name], dtype="<f8").tobytes())
    return digest.hexdigest()


def _kept(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of this job that an earlier run has solved."""
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    if str(kept.get("job_sha256")) != _job_sha256(job):
        return {}
    return {name: each for name, each in kept.items() if name.endswith("efield")}


def _write(path: Path, job: dict[str, Any], found: dict[str, Any]) -> None:
    version = getattr(importlib.import_module("simnibs"), "__version__", "unknown")
    partial_path = path.with_name(path.name + ".part")
    with partial_path.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.array(FIELDS_FORMAT),
            job_sha256=np.array(_job_sha256(job)),
            **found,
            simnibs_version=np.array(str(version)),
        )
    partial_path.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
