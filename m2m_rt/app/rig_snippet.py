"""The part of a rig file that names the streams on a network."""

from collections.abc import Sequence
from typing import Any

import tomli_w

from m2m_rt.adapters.stream_check import (
    choice_of,
    muscle_labels,
    trigger_label,
    use_of,
)
from m2m_rt.adapters.stream_header import StreamHeader
from m2m_rt.emg import default_muscles

ROLES = ("emg", "pose", "stimulator", "markers")
_MOST_CHANNELS = 17  # fifteen muscles, a trigger and one more


def rig_snippet(headers: Sequence[StreamHeader]) -> str:
    """Return TOML for a rig file: for each role the first stream that can be it.

    Other streams that could be it, and roles that no stream can be, are comments.
    """
    parts = [_part(role, headers) for role in ROLES]
    return "\n".join(parts)


def _part(role: str, headers: Sequence[StreamHeader]) -> str:
    usable = [h for h in headers if (use := use_of(h)).role == role and not use.fault]
    if not usable:
        return f"# [{role}]: no stream on the network can be it\n"
    chosen, *others = usable
    comments = [f"or {header}" for header in others]
    if role == "emg":
        comments += [f"which muscle is {label}?" for label in _unnamed(chosen)]
    if role == "pose":
        comments += _matrix_wanted(chosen)
    told = "".join(f"# {comment}\n" for comment in comments)
    return told + tomli_w.dumps({role: _section(role, chosen)})


def _section(role: str, header: StreamHeader) -> dict[str, Any]:
    section: dict[str, Any] = {"stream": choice_of(header).wanted()}
    declared = use_of(header).registration
    if declared is not None and declared["frame"] == "head":
        section["registration"] = {key: declared[key] for key in ("convention", "unit")}
    if role != "emg":
        return section
    section["fs_hz"] = header.fs_hz
    trigger = trigger_label(header)
    if trigger is not None:
        section["trigger_channel"] = trigger
    unnamed = _unnamed(header)
    labels = [label for label in muscle_labels(header) if label not in unnamed]
    section["muscles"] = [{"name": label.upper(), "channel": label} for label in labels]
    return section


def _matrix_wanted(header: StreamHeader) -> list[str]:
    """Return where the matrix of a navigator's frame comes from, if it needs one."""
    declared = use_of(header).registration
    if declared is None or declared["frame"] == "head":
        return []
    return [
        f"{header.name} sends poses in frame {declared['frame']}: add what this prints",
        f"m2m register FIDUCIALS --convention {declared['convention']} "
        f"--unit {declared['unit']}",
    ]


def _unnamed(header: StreamHeader) -> list[str]:
    """Return the channels in a unit of voltage whose label is no muscle's name."""
    known = {muscle.name for muscle in default_muscles()}
    return [label for label in muscle_labels(header) if label.upper() not in known]


def header_line(header: StreamHeader) -> str:
    """Return the channels of a stream with their units, as one line.

    A long list is cut; what is declared for the whole stream follows.
    """
    units = header.units or ("",) * len(header.labels)
    named = [
        f"{label or '?'} [{unit or 'no unit'}]"
        for label, unit in zip(header.labels, units, strict=True)
    ]
    shown = named if len(named) <= _MOST_CHANNELS else [*named[:_MOST_CHANNELS], "…"]
    declared = (
        ("frame", header.frame),
        ("unit", header.unit),
        ("convention", header.convention),
    )
    words = [f"{name} {value}" for name, value in declared if value]
    return " ".join((*shown, *words))
