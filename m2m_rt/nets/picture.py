"""What training looked like: evidence over steps, error over pulses of new subjects."""

from pathlib import Path

import numpy as np

from m2m_rt.nets.recipe import TrainedModel

_SMOOTH = 50


def summary(model: TrainedModel) -> dict[str, object]:
    """Return the figures of a report: R² of log10 MEPs on subjects never seen."""
    scores = model.evaluation
    rivals = list(scores.subjects[0].baselines)
    online = [s.online / s.ceiling for s in scores.subjects]
    best = max(rivals, key=scores.mean)
    return {
        "subjects": len(scores.subjects),
        "r2_log10": {
            name: round(scores.mean(name), 4)
            for name in ("prior", "online", "ceiling", *rivals)
        },
        "beats_baselines": scores.mean("online") > scores.mean(best),
        "least_online_over_ceiling": round(min(online), 4),
        "coverage_90": round(scores.mean("coverage_90"), 4),
        "log_score": round(scores.mean("log_score"), 4),
        "rmse_log10": round(scores.mean("rmse_log10"), 4),
        "rmse_log10_ceiling": round(scores.ceiling_rmse, 4),
        "scale_dof": model.prior.scale_dof,
    }


def draw_learning_curve(model: TrainedModel, file: Path) -> None:
    """Draw the training's evidence and the error over the pulses of new subjects."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    window = min(_SMOOTH, len(model.curve))
    smooth = np.convolve(model.curve, np.ones(window) / window, mode="valid")
    left.plot(np.arange(len(smooth)) + window, smooth)
    left.set(xlabel="training step", ylabel="log evidence per MEP (nats)")
    pulses = np.arange(len(model.evaluation.rmse_by_pulse))
    right.plot(pulses, model.evaluation.rmse_by_pulse, label="learning online")
    right.axhline(
        model.evaluation.ceiling_rmse, ls="--", c="0.4", label="true expectation"
    )
    right.set(xlabel="pulses learnt", ylabel="RMSE of log10 MEP", ylim=(0.0, None))
    right.legend(frameon=False)
    figure.savefig(file, dpi=120)
