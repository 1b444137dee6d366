"""`m2m model …`: shipped models as files: what they are, whole or not, swapped."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.stage_bars import stage_bars, write_figures

if TYPE_CHECKING:
    from m2m_rt.nets import HeadField

ModelArgument = Annotated[str, typer.Argument(help="A name under models/ or a folder.")]
TableOption = Annotated[str, typer.Option(help="A name under models/ or a path.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the result here.")
]


def register(app: typer.Typer) -> None:
    """Add `m2m model …`."""
    model = typer.Typer(help="Shipped models as files.", no_args_is_help=True)
    model.command()(info)
    model.command()(card)
    model.command()(check)
    model.command("swap-check")(swap_check)
    app.add_typer(model, name="model")


def info(model: ModelArgument = "m2mnet-rt") -> None:
    """Show a model's card, after checking that the model is whole."""
    from m2m_rt.adapters.onnx_predictor import read_shipped_model
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.errors import DataError

    folder = model_folder(model)
    read_shipped_model(folder)
    path = folder / "CARD.md"
    if not path.is_file():
        raise DataError(f"{folder}: has no card; `m2m model card` writes it")
    typer.echo(path.read_text(encoding="utf-8"))


def card(
    model: ModelArgument = "m2mnet-rt",
    table: TableOption = "demo",
    seed: SeedOption = 1,
    subjects: Annotated[int, typer.Option(min=1, help="To measure it on.")] = 24,
) -> None:
    """Measure a model on new simulated subjects and write its card beside it."""
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.nets.card import CardRequest, write_card

    request = CardRequest(n_subjects=subjects, seed=seed)
    with stage_bars() as progress:
        text = write_card(model_folder(model), _head(table), request, progress)
    typer.echo(text)


def check(
    model: ModelArgument = "m2mnet-rt",
    flips: Annotated[int, typer.Option(min=1, help="Of each file.")] = 300,
    seed: SeedOption = 0,
    json_out: JsonOption = None,
) -> None:
    """Check a model's files, then flip bits in copies: each must be refused."""
    from m2m_rt.adapters.onnx_predictor import read_shipped_model
    from m2m_rt.app.model_check import flip_bits
    from m2m_rt.app.model_path import model_folder

    folder = model_folder(model)
    read_shipped_model(folder)
    with stage_bars() as progress:
        found = flip_bits(folder, n_flips=flips, seed=seed, progress=progress)
    if json_out is not None:
        figures = {
            name: {"flips": one.flips, "refused": one.refused}
            for name, one in found.items()
        }
        write_figures(json_out, {"model": str(folder), "files": figures})
    for name, one in found.items():
        typer.echo(f"{name}: {one.refused} of {one.flips} single-bit flips refused")
    if any(one.refused < one.flips for one in found.values()):
        raise typer.Exit(1)


def swap_check(
    model: ModelArgument = "m2mnet-rt",
    table: TableOption = "demo",
    reads: Annotated[int, typer.Option(min=100, help="Predictions.")] = 100_000,
    seed: SeedOption = 0,
    json_out: JsonOption = None,
) -> None:
    """Swap models and roll back under load; every prediction must be whole."""
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.model_path import model_folder
    from m2m_rt.app.swap_bench import model_variants
    from m2m_rt.app.swap_check import SwapPlan, check_swaps
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup

    lookup = EfieldLookup(read_table(table_path(table)))
    lookup.warm_up()
    variants = model_variants(model_folder(model))
    with stage_bars() as progress:
        found = check_swaps(lookup, variants, SwapPlan(reads, seed), progress)
    if json_out is not None:
        write_figures(json_out, found.as_json())
    typer.echo(found.line())
    if not found.is_good:
        raise typer.Exit(1)


def _head(table: str) -> "HeadField":
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.table_path import table_path
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field

    return head_field(EfieldLookup(read_table(table_path(table))))
