"""What `m2m fit` writes beside the mapper: figures, a card, predictions, pictures."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from m2m_rt.adapters.mapper_file import MapperManifest
from m2m_rt.learning import Z_90
from m2m_rt.studies.fit import PoseAnswers, TableFit
from m2m_rt.studies.fit_scores import MuscleFit
from m2m_rt.studies.maps_data import DRIFT, POSITION, POSITION_MAP
from m2m_rt.studies.maps_json import score_as_json, settings_as_json
from m2m_rt.studies.maps_picture import draw_field, draw_progress
from m2m_rt.units import F64

_MODELS = (POSITION, POSITION_MAP, DRIFT)


def fit_as_json(
    fit: TableFit, manifest: MapperManifest, learnt_from: Sequence[str]
) -> dict[str, Any]:
    """Return all figures of a fit; those at the top are means over muscles."""
    return {
        "n_rows": len(fit.table.pulses),
        "maps": list(fit.table.map_names),
        "notes": list(fit.table.notes),
        "learnt_from": list(learnt_from) or "shipped",
        "learnt_own": fit.learnt_own,
        "r2": {m: _mean([each.r2[m] for each in fit.muscles]) for m in _MODELS},
        "progressive": {
            name: _mean([score_as_json(each.progressive)[name] for each in fit.muscles])
            for name in ("r2", "crps", "coverage_90")
        },
        "muscles": {each.muscle: _muscle_as_json(fit, each) for each in fit.muscles},
        "model": {"file": manifest.file, "sha256": manifest.sha256},
    }


def write_card(path: Path, figures: dict[str, Any], manifest: MapperManifest) -> None:
    """Write what the mapper is, how good, and what it is not for."""
    lines = [
        f"# Mapper of {', '.join(manifest.muscles)}",
        "",
        f"Made by `{manifest.command}` from {manifest.n_pulses} pulses "
        f"(table's sha256 {manifest.data_sha256}).",
        f"File `{manifest.file}`, sha256 {manifest.sha256}.",
        f"Hyper-parameters learnt from: {_listed(figures)}.",
        "",
        "| muscle | R² pose, 10 folds | + map | progressive R² | 90 % holds | pulses |",
        "|---|---|---|---|---|---|",
        *(_card_row(name, each) for name, each in figures["muscles"].items()),
        "",
        "Held-out figures: folds leave out pulses at random, so neighbours in place "
        "stay in; progressive ones use past pulses only. log10 µV, floor 5 µV.",
        "",
        "Limits: valid within the poses and intensities that it was fitted to, of this "
        "subject and this registration. Research use only; not a medical device.",
        *(f"- {note}" for note in figures["notes"]),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_predictions(path: Path, fit: TableFit) -> None:
    """Write held-out predictions of the table's own rows, a line a row."""
    columns: dict[str, F64] = {}
    n = len(fit.table.pulses)
    for each in fit.muscles:
        progress = each.progress
        wide = Z_90 * progress.sd_log10_uv
        parts = {
            "measured": each.recording.log10_uv,
            "folded": each.folded_log10_uv,
            "progressive": progress.mean_log10_uv,
            "p05": progress.mean_log10_uv - wide,
            "p95": progress.mean_log10_uv + wide,
        }
        for name, values in parts.items():
            spread = np.full(n, np.nan)
            spread[each.rows] = values
            columns[f"{each.muscle}_{name}_log10_uv"] = spread
    _write_rows(path, fit.table.row.tolist(), columns)


def write_answers(path: Path, rows: Sequence[int], answers: PoseAnswers) -> None:
    """Write what planned poses would answer, a line a pose."""
    columns: dict[str, F64] = {}
    for at, muscle in enumerate(answers.muscles):
        mean, sd = answers.mean_log10_uv[:, at], answers.sd_log10_uv[:, at]
        columns |= {
            f"{muscle}_mean_log10_uv": mean,
            f"{muscle}_sd_log10_uv": sd,
            f"{muscle}_p05_log10_uv": mean - Z_90 * sd,
            f"{muscle}_p95_log10_uv": mean + Z_90 * sd,
            f"{muscle}_median_uv": 10.0**mean,
        }
    _write_rows(path, rows, columns)


def draw_muscles(folder: Path, fit: TableFit) -> list[Path]:
    """Write a picture of each muscle: its map and its progressive predictions."""
    return [_draw(folder, each) for each in fit.muscles]


def _draw(folder: Path, each: MuscleFit) -> Path:
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_field(left, each.recording, each.settings[POSITION])
    draw_progress(right, each.recording, each.progress)
    figure.suptitle(each.muscle)
    safe = re.sub(r"[^\w.-]", "_", each.muscle)
    path = folder / f"{safe}.png"
    figure.savefig(path, dpi=110)
    return path


def _muscle_as_json(fit: TableFit, each: MuscleFit) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "n": len(each.rows),
        "r2": dict(each.r2),
        "progressive": score_as_json(each.progressive),
        "progressive_running_mean": score_as_json(each.running_mean),
        "settings": settings_as_json(each.settings),
    }
    if fit.head is not None and each.muscle in fit.head.r2:
        figures["head_model"] = {
            "r2": fit.head.r2[each.muscle],
            "progressive": {
                "r2": fit.head.progressive_r2[each.muscle],
                "coverage_90": fit.head.coverage_90[each.muscle],
            },
        }
    return figures


def _card_row(name: str, each: dict[str, Any]) -> str:
    r2, progressive = each["r2"], each["progressive"]
    values = (r2[POSITION], r2[POSITION_MAP], progressive["r2"])
    texts = ["–" if value is None else f"{value:.3f}" for value in values]
    holds = f"{100 * progressive['coverage_90']:.1f} %"
    return f"| {name} | {' | '.join(texts)} | {holds} | {each['n']} |"


def _write_rows(path: Path, rows: Sequence[int], columns: dict[str, F64]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("row", *columns))
        for at, row in enumerate(rows):
            cells = [values[at] for values in columns.values()]
            writer.writerow((row, *("" if np.isnan(c) else f"{c:.6g}" for c in cells)))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _listed(figures: dict[str, Any]) -> str:
    others = figures["learnt_from"]
    names = ["the shipped ones", *([] if isinstance(others, str) else others)]
    if figures["learnt_own"]:
        names.append("this table (in held-out figures from its training part only)")
    return ", ".join(names)
