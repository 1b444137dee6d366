"""`m2m train` and `m2m export`: networks from simulated subjects, offline."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m2m_rt.app.stage_bars import stage_bars
from m2m_rt.app.table_path import table_path
from m2m_rt.errors import ConfigError

if TYPE_CHECKING:
    from m2m_rt.nets import HeadField, Progress

REALTIME = "realtime"

TableOption = Annotated[str, typer.Option(help="A name under models/ or a path.")]
OutOption = Annotated[Path, typer.Option(help="Folder for what training makes.")]


def register(app: typer.Typer) -> None:
    """Add `m2m train` and `m2m export`."""
    app.command("train")(train)
    app.command("export")(export)


def train(
    out: OutOption,
    table: TableOption = "demo",
    net: Annotated[
        str,
        typer.Option(help="realtime, or paper-direct, paper-synergy, paper-both."),
    ] = REALTIME,
    seed: Annotated[int, typer.Option(min=0, help="Of population and weights.")] = 1,
    small: Annotated[bool, typer.Option(help="A try of about a minute.")] = False,
) -> None:
    """Train a network on simulated subjects, and score it on others.

    The default network takes about ten minutes on two cores. The folder gets the
    weights, the model as `m2m export` makes it, the scores beside plain regressors,
    and a picture of the learning curve.
    """
    from m2m_rt.nets import (
        PAPER_HEADS,
        SMALL_PAPER,
        PaperRun,
        PaperSettings,
        train_paper_net,
    )

    head = _head(table)
    out.mkdir(parents=True, exist_ok=True)
    with stage_bars() as progress:
        if net == REALTIME:
            _train_realtime(head, out, seed=seed, small=small, progress=progress)
        elif net.removeprefix("paper-") in PAPER_HEADS:
            kind = PAPER_HEADS[net.removeprefix("paper-")]
            settings = SMALL_PAPER if small else PaperSettings()
            run = PaperRun(kind, settings, seed, progress)
            _say(train_paper_net(head, run, out), out)
        else:
            names = ", ".join((REALTIME, *(f"paper-{name}" for name in PAPER_HEADS)))
            raise ConfigError("--net", repr(net), names)


def export(
    trained: Annotated[Path, typer.Argument(help="A folder that `m2m train` filled.")],
    out: Annotated[Path, typer.Option(help="The model's folder, such as models/…/1.")],
) -> None:
    """Write a trained network as ONNX, manifest and golden pair, and try it."""
    from m2m_rt.nets import export_trained

    manifest = export_trained(trained, out)
    typer.echo(f"{out / manifest.onnx_file}: sha256 {manifest.onnx_sha256}")


def _train_realtime(
    head: "HeadField", out: Path, *, seed: int, small: bool, progress: "Progress"
) -> None:
    from m2m_rt.nets import (
        SMALL_TRAINING,
        TrainSettings,
        draw_learning_curve,
        export_trained,
        save_trained,
        summary,
        train_and_score,
    )

    settings = SMALL_TRAINING if small else TrainSettings()
    n_scored = 4 if small else 24
    model = train_and_score(
        head, settings, seed=seed, n_scored=n_scored, progress=progress
    )
    options = f"--table {head.lookup.table.name} --seed {seed}"
    command = f"m2m train {options}{' --small' if small else ''}"
    save_trained(out, model, head, command=command)
    export_trained(out, out / "model")
    draw_learning_curve(model, out / "learning.png")
    _say(summary(model), out)


def _head(table: str) -> "HeadField":
    from m2m_rt.adapters.table_file import read_table
    from m2m_rt.efield import EfieldLookup
    from m2m_rt.nets import head_field

    return head_field(EfieldLookup(read_table(table_path(table))))


def _say(figures: dict[str, object], out: Path) -> None:
    text = json.dumps(figures, indent=2)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    typer.echo(text)
