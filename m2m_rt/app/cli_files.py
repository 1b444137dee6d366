"""`m2m coil` and `m2m mesh`: what a coil or head mesh holds, and how good it is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from m2m_rt.fem import CoilDipoles

JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures to this file too.")
]


def register(app: typer.Typer) -> None:
    """Add `m2m coil` and `m2m mesh`."""
    app.command("coil")(coil)
    app.command("mesh")(mesh)


def coil(
    name: Annotated[
        str,
        typer.Argument(
            help="demo-figure8, round, double-cone, or a .ccd or .tcd file."
        ),
    ],
    json_file: JsonOption = None,
) -> None:
    """Describe a coil: sources, limits, and its field below the centre."""
    from m2m_rt.adapters.coil_file import read_coil
    from m2m_rt.fem import named_coil

    found = named_coil(name)
    figures = _coil_figures(found)
    if Path(name).is_file():
        file = read_coil(Path(name))
        figures |= {
            "brand": file.brand,
            "stimulator": file.stimulator,
            "didt_max_a_per_us": file.didt_max_a_per_us,
            "didt_display_a_per_us": file.didt_display_a_per_us,
        }
    _say(figures, json_file)


def mesh(
    path: Annotated[
        Path, typer.Argument(help="A .msh file, an m2m_ folder, or a table's mesh.")
    ],
    json_file: JsonOption = None,
) -> None:
    """Report a head mesh's quality: volumes, angles, pieces, cavities."""
    from m2m_rt.fem import find_head_mesh, quality_report, read_head_msh, read_mesh

    own = path.suffix == ".h5"
    head = read_mesh(path) if own else read_head_msh(find_head_mesh(path))
    _say({"mesh": str(path), **quality_report(head).as_json()}, json_file)


def _coil_figures(found: "CoilDipoles") -> dict[str, object]:
    import numpy as np

    from m2m_rt.fem import coil_sha256, didt_a

    below_mm = np.array(((0.0, 0.0, 20.0),))
    other = found.other
    return {
        "name": found.name,
        "sha256": coil_sha256(found),
        "dipoles": len(found.position_mm),
        "conductor_pieces": 0 if other is None else len(other.segment_mm),
        "sampled_potentials": 0 if other is None else len(other.sampled),
        "winding_points": len(found.winding_mm),
        "face_z_mm": float(found.winding_mm[:, 2].max()),
        "dadt_20_mm_below_v_per_m_per_a_per_us": didt_a(found, below_mm)[0].tolist(),
    }


def _say(figures: dict[str, object], json_file: Path | None) -> None:
    text = json.dumps(figures, indent=2)
    typer.echo(text)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
