"""`m2m bench`: how fast things are on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from m2m_rt.app.model_path import model_folder
from m2m_rt.app.places import make_places
from m2m_rt.app.stage_bars import stage_bars
from m2m_rt.app.table_path import table_path


def register(app: typer.Typer) -> None:
    """Add `m2m bench …`."""
    bench = typer.Typer(help="How fast predictions are here.", no_args_is_help=True)
    bench.callback()(_root)
    bench.command("predict")(predict)
    app.add_typer(bench, name="bench")


def predict(
    json_file: Annotated[
        Path, typer.Option("--json", help="File for the figures.", dir_okay=False)
    ],
    model: Annotated[
        str, typer.Option(help="A name under models/ or a folder.")
    ] = "m2mnet-rt",
    table: Annotated[
        str, typer.Option(help="A name under models/ or a path.")
    ] = "demo",
    side: Annotated[
        int, typer.Option(help="Voxels along the published networks' box: 32 or 64.")
    ] = 32,
) -> None:
    """Time models from the field on, for one pose and for 256, on one thread.

    The published networks have random weights: time does not depend on them. The
    field's own look-up is timed by `m2m table bench`.
    """
    import msgspec

    from m2m_rt.adapters.onnx_predictor import read_shipped_model
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.app.predict_bench import BenchPlan, bench_predict
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field

    make_places(json_file, None)
    folder = model_folder(model)
    model_bytes = read_shipped_model(folder)
    head = head_field(EfieldLookup(read_table(table_path(table))))
    with stage_bars() as progress:
        plan = BenchPlan(side=side)
        figures = bench_predict(
            head, model_bytes, name=model, plan=plan, progress=progress
        )
    text = msgspec.json.format(msgspec.json.encode(figures), indent=2)
    typer.echo(text.decode())
    json_file.write_bytes(text)


def _root() -> None: ...
