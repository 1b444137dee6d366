"""What a demo says at its end."""

import math
from pathlib import Path

import msgspec
from rich.console import Console

from m2m_rt.app.report import R2, Report
from m2m_rt.errors import ConfigError


def print_summary(report: Report, console: Console) -> None:
    """Print the report for a person."""
    latency, r2 = report.latency_ms, report.score.r2_log10
    lines = (
        f"pulses                 {report.pulses}, {report.predicted_before_pulse} "
        f"predicted before (median {report.lead_ms.p50:.0f} ms before)"
        f"{_if_any(report.trials_without_pulse, 'edges without a pulse')}",
        f"valid MEPs             {report.meps_valid}",
        f"lost                   {report.emg_samples_lost} EMG samples, "
        f"{report.messages_lost} messages"
        f"{_if_any(report.emg_samples_repeated, 'EMG samples came twice')}",
        f"pose to prediction     {latency.pose_to_prediction.p50:.2f} ms median, "
        f"{latency.pose_to_prediction.p99:.2f} ms p99",
        f"  transport alone      {latency.transport_floor.p50:.2f} ms median, "
        f"{latency.transport_floor.p99:.2f} ms p99",
        f"R² of log10 MEP        {_r2_line(r2)}",
        f"90 % intervals hold    {100 * report.score.coverage_90:.0f} %",
        f"model generations      {report.model_generations}",
        f"session                {report.session}",
        f"picture                {report.session}/report.png",
        f"replay it              m2m replay {report.session} --check",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _if_any(n: int, what: str) -> str:
    return f"; {n} {what}" if n else ""


def _r2_line(r2: R2) -> str:
    if math.isnan(r2.online):
        return "not known: too few pulses"
    return (
        f"{r2.online:.2f} learnt, {r2.prior:.2f} without learning, "
        f"{r2.ceiling:.2f} at best (last half)"
    )


def write_report(report: Report, path: Path) -> None:
    """Write the report as JSON; what could not be computed is null.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(report), indent=1)
    try:
        path.write_bytes(content + b"\n")
    except OSError as err:
        raise ConfigError(str(path), str(err.strerror), "a file to write") from err
