"""A file of heads to build tables for, as `m2m table build --jobs` takes it.

In TOML, a `[[head]]` each; paths are taken from the file's own folder.
"""

import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.app.table_request import DEFAULT_COIL, DEMO, MOTOR, BuildRequest
from m2m_rt.errors import ConfigError
from m2m_rt.fem import NAMED_COILS


class HeadJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One head of a file of jobs."""

    head: str
    """`demo`, a `.msh` file, an `m2m_<subject>` folder, or a NIfTI volume of labels."""

    target_mm: tuple[float, float, float] | None = None
    """The place in the cortex to stimulate; only the demo head has one of its own."""

    coils: tuple[str, ...] = (DEFAULT_COIL,)
    """Named ones, or `.ccd` or `.tcd` files; a table each."""

    roi: str = MOTOR
    """motor, box, patch[:mm] or cortex."""

    conductivities_s_per_m: dict[str, float] = {}
    """By tissue (wm, gm, csf, skull, scalp), where it is not SimNIBS' value."""

    out: str | None = None
    """Folder for the tables, one in it for each coil if there are several."""


class JobFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    head: tuple[HeadJob, ...]
    """In the order in which they are begun."""


def read_jobs(path: Path, common: BuildRequest) -> list[BuildRequest]:
    """Return a request a head, with cache and means of a common one.

    Raises
    ------
    ConfigError
        If there is no such file, it is no list of heads, or two would have one folder.
    """
    if common.like is not None:
        raise ConfigError("--like", "with --jobs", "one of the two")
    found = _read(path)
    requests = [_request(job, path.parent, common) for job in found.head]
    folders = [str(r.folder_for(coil)) for r in requests for coil in r.coils]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice or not folders:
        raise ConfigError(
            str(path),
            f"two tables for {twice[0]}" if twice else "no head",
            "heads with an `out` each",
        )
    return requests


def _read(path: Path) -> JobFile:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(content, type=JobFile)
    except OSError as err:
        raise ConfigError(f"--jobs {path}", "no file", "a TOML file") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(str(path), str(err), "TOML") from err
    except msgspec.ValidationError as err:
        what, _, where = str(err).partition(" - at ")
        field = where.strip("`").removeprefix("$").lstrip(".")
        expected = f"[[head]] with {', '.join(HeadJob.__struct_fields__)}"
        raise ConfigError(f"{path}: {field or 'top level'}", what, expected) from err


def _request(job: HeadJob, folder: Path, common: BuildRequest) -> BuildRequest:
    target_mm = None if job.target_mm is None else np.array(job.target_mm)
    return replace(
        common,
        head=job.head if job.head == DEMO else str(folder / job.head),
        coils=tuple(c if c in NAMED_COILS else str(folder / c) for c in job.coils),
        roi=job.roi,
        target_mm=target_mm,
        conductivities_s_per_m={
            **common.conductivities_s_per_m,
            **job.conductivities_s_per_m,
        },
        out=None if job.out is None else folder / job.out,
    )
