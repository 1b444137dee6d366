"""The one large state that the operator sees, with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from m2m_rt.messages import Health, Prediction
from m2m_rt.units import RigNs, duration_ns, to_ms

STALE_NS = duration_ns(ms=500.0)
"""The view is redrawn four times a second: what is older than two views is old."""

SILENT_NS = duration_ns(s=3.0)
"""Heartbeats come twice a second: a daemon that misses six of them hangs."""


@dataclass(frozen=True, slots=True)
class State:
    """What to shout, why, and in which colour."""

    name: str
    reason: str
    colour: str


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the state is decided from."""

    now_ns: RigNs
    emg_ns: RigNs | None
    """The last EMG row's instant."""

    prediction: Prediction | None
    health: Mapping[str, Health]
    failed: Mapping[str, str]
    """Daemons that ended before their time, and how."""


def state_of(situation: Situation) -> State:
    """Return the worst that is true."""
    faults = _faults(situation)
    if faults:
        return State("FAULT", faults, "red3")
    stopped = [name for name, one in situation.health.items() if one.state == "stopped"]
    if stopped:
        return State("STOPPING", f"{len(stopped)} daemons have stopped", "dark_orange3")
    emg_ns, prediction = situation.emg_ns, situation.prediction
    if emg_ns is not None and situation.now_ns - emg_ns > STALE_NS:
        return State("NO EMG", "no pulse can be seen, no MEP measured", "red3")
    if emg_ns is None or prediction is None:
        what = "EMG" if emg_ns is None else "coil pose"
        return State("WAITING", f"for the first {what}", "dark_orange3")
    return _state_of_prediction(situation.now_ns, prediction)


def _state_of_prediction(now_ns: RigNs, prediction: Prediction) -> State:
    if now_ns - prediction.t_ns > STALE_NS:
        return State("NOT PREDICTING", "no coil pose comes any more", "dark_orange3")
    if not prediction.valid:
        reason = prediction.reason.replace("_", " ")
        return State("NOT PREDICTING", reason, "dark_orange3")
    level = prediction.intensity_pct_mso
    said = f"the next pulse, at {level:.0f} % MSO"
    if prediction.doubt:
        doubts = ", ".join(one.replace("_", " ") for one in prediction.doubt)
        said = f"{said}; unsure: {doubts}"
    return State("PREDICTING", said, "dark_green")


def _faults(situation: Situation) -> str:
    said = {
        name: why
        for name, one in situation.health.items()
        if (why := _fault(situation.now_ns, one))
    }
    said.update(situation.failed)
    return "; ".join(f"{name}: {why}" for name, why in said.items())


def _fault(now_ns: RigNs, health: Health) -> str:
    silent_ns = now_ns - health.t_ns
    if health.state != "stopped" and silent_ns > SILENT_NS:
        return f"no heartbeat for {to_ms(silent_ns) / 1000:.0f} s"
    return health.reason or ("fault" if health.state == "fault" else "")
