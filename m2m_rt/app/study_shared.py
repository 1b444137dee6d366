"""What the commands of `m2m study` share: options, places for results, a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.errors import ConfigError

if TYPE_CHECKING:
    from m2m_rt.adapters.onnx_predictor import OnnxPredictor
    from m2m_rt.efield import EfieldLookup

SeedOption = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
TableOption = Annotated[str, typer.Option(help="A name under models/ or a path.")]
ModelOption = Annotated[str, typer.Option(help="A name under models/ or a folder.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here.")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="Folder for pictures and a page.")
]


def open_table_and_model(
    table: str, model: str
) -> "tuple[EfieldLookup, OnnxPredictor]":
    """Return a warm look-up and a checked model.

    Raises
    ------
    ConfigError
        If the model was made for another table.
    """
    from m2m_rt.adapters.onnx_predictor import (
        OnnxPredictor,
        read_manifest,
        read_shipped_model,
    )
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup

    lookup, folder = EfieldLookup(read_table(table_path(table))), model_folder(model)
    manifest = read_manifest(folder)
    if manifest.contract.table_hash != lookup.table.table_hash:
        found = f"made for table {manifest.contract.table_hash[:12]}"
        expected = f"one for {table}, {lookup.table.table_hash[:12]}"
        raise ConfigError(f"--model {model}", found, expected)
    lookup.warm_up()
    return lookup, OnnxPredictor(
        read_shipped_model(folder), expected_hash=manifest.onnx_sha256
    )
