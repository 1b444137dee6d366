"""A fitted mapper's folder: `mapper.npz`, and `manifest.toml` with its sha256.

The file holds the pulses, their MEPs and the settings; whoever loads it fits again,
which is exact and takes a moment. Nothing in it can run code (no pickle).
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.errors import ConfigError, ModelRefused
from m2m_rt.learning import LevelScaleSettings, MapPulses, PoseMapSettings
from m2m_rt.units import F64

MAPPER_FILE = "mapper.npz"
MANIFEST_FILE = "manifest.toml"
_CONTENT = "content_json"

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class HeadModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shipped network and table that a mapper was fitted with."""

    table: str
    table_hash: Sha256
    model: str
    model_hash: Sha256


class MapperContent(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What a mapper is, beside its arrays."""

    format: Literal["m2m-mapper.v1"] = "m2m-mapper.v1"
    muscles: tuple[str, ...]
    settings: tuple[PoseMapSettings, ...]
    """One a muscle; of the process over poses."""

    level_scale: LevelScaleSettings
    map_names: tuple[str, ...]
    intensity_unit: str
    """`pct_mso`, `pct_rmt`, or empty for none."""

    head_model: HeadModel | None = None
    rmt_pct_mso: float | None = None


class MapperManifest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Beside the file: what it is, what made it, and its hash."""

    format: Literal["m2m-mapper.v1"] = "m2m-mapper.v1"
    file: str
    sha256: Sha256
    command: str
    data_sha256: Sha256
    """Of the table that it was fitted to."""

    n_pulses: Annotated[int, Meta(gt=0)]
    muscles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredMapper:
    """A mapper as it is stored."""

    content: MapperContent
    pulses: MapPulses
    log10_uv: F64
    """(n, n_muscles), NaN where there is no valid MEP."""


def write_mapper(
    folder: Path, stored: StoredMapper, *, command: str, data_sha256: str
) -> MapperManifest:
    """Write a mapper's folder.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    mapper_bytes = _mapper_bytes(stored)
    manifest = MapperManifest(
        file=MAPPER_FILE,
        sha256=hashlib.sha256(mapper_bytes).hexdigest(),
        command=command,
        data_sha256=data_sha256,
        n_pulses=len(stored.pulses),
        muscles=stored.content.muscles,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MAPPER_FILE).write_bytes(mapper_bytes)
        (folder / MANIFEST_FILE).write_bytes(msgspec.toml.encode(manifest))
    except OSError as err:
        raise ConfigError(str(folder), str(err), "a folder to write to") from err
    return manifest


def read_mapper(folder: Path) -> StoredMapper:
    """Return a mapper after checking its hash.

    Raises
    ------
    ConfigError
        If there is none in the folder.
    ModelRefused
        If the file is not what its manifest says, or not a mapper.
    """
    if not (folder / MANIFEST_FILE).is_file():
        raise ConfigError(str(folder), f"no {MANIFEST_FILE}", "a folder of `m2m fit`")
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
        manifest = msgspec.toml.decode(raw, type=MapperManifest)
        mapper_bytes = (folder / MAPPER_FILE).read_bytes()
    except (OSError, ValueError) as err:
        raise ModelRefused(f"{folder}: {err}") from err
    if hashlib.sha256(mapper_bytes).hexdigest() != manifest.sha256:
        raise ModelRefused(f"{folder / MAPPER_FILE}: sha256 is not the manifest's")
    return _from_bytes(folder / MAPPER_FILE, mapper_bytes)


def _mapper_bytes(stored: StoredMapper) -> bytes:
    pulses = stored.pulses
    optional = {"rotation": pulses.rotation, "intensity_pct": pulses.intensity_pct}
    content = msgspec.json.encode(stored.content)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        position_mm=pulses.position_mm,
        map_index=pulses.map_index,
        pulse_index=pulses.pulse_index,
        log10_uv=stored.log10_uv,
        **{name: each for name, each in optional.items() if each is not None},
        **{_CONTENT: np.frombuffer(content, dtype=np.uint8)},
    )
    return buffer.getvalue()


def _from_bytes(path: Path, mapper_bytes: bytes) -> StoredMapper:
    try:
        with np.load(io.BytesIO(mapper_bytes), allow_pickle=False) as arrays:
            content = msgspec.json.decode(
                arrays[_CONTENT].tobytes(), type=MapperContent
            )
            pulses = MapPulses(
                arrays["position_mm"],
                arrays["map_index"],
                arrays["pulse_index"],
                arrays["rotation"] if "rotation" in arrays else None,
                arrays["intensity_pct"] if "intensity_pct" in arrays else None,
            )
            return StoredMapper(content, pulses, arrays["log10_uv"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as err:
        raise ModelRefused(f"{path}: not a mapper ({err})") from err
