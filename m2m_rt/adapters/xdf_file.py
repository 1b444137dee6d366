"""XDF recordings, as LabRecorder writes them; also those cut off in the middle."""

import gzip
import struct
import zlib
from collections.abc import Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import pyxdf

from m2m_rt.adapters.recording import Description, RecordedStream, Recording
from m2m_rt.errors import ConfigError, DataError

_UNREADABLE = (
    *(OSError, EOFError, ValueError, LookupError, SyntaxError),
    *(TypeError, AttributeError, struct.error, zlib.error),
)
"""What pyxdf raises on a file that is not XDF; a bad header is a SyntaxError."""


def read_xdf(path: Path) -> Recording:
    """Return the streams of a recording on its one clock, stamps as recorded.

    Clocks of several computers are brought together by the file's own clock offsets;
    nothing is smoothed. Samples whose stamps are out of order are put in order.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If it is not XDF, or has no sample.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no such file", "an XDF recording")
    try:
        with _opened(path) as file:  # pyxdf leaves its own open on a bad one
            streams, _ = pyxdf.load_xdf(file, dejitter_timestamps=False, verbose=False)
    except _UNREADABLE as err:
        raise DataError(f"{path}: cannot be read as XDF ({err})") from err
    recorded = tuple(_stream(stream) for stream in streams)
    if not any(len(stream.stamps_s) for stream in recorded):
        raise DataError(f"{path}: no sample in {len(recorded)} streams")
    return Recording(recorded)


def _opened(path: Path) -> BufferedReader | gzip.GzipFile:
    is_packed = path.suffix.lower() == ".xdfz"
    return gzip.open(path, "rb") if is_packed else path.open("rb")


def _stream(stream: Mapping[str, Any]) -> RecordedStream:
    info = stream["info"]
    stamps_s = np.asarray(stream["time_stamps"], dtype=np.float64)
    order = np.argsort(stamps_s, kind="stable")
    samples = stream["time_series"]
    is_text = _text(info, "channel_format") == "string"
    ordered = [list(samples[at]) for at in order] if is_text else samples[order]
    return RecordedStream(
        name=_text(info, "name"),
        type=_text(info, "type"),
        source_id=_text(info, "source_id"),
        fs_hz=float(_text(info, "nominal_srate") or 0.0),
        n_channels=int(_text(info, "channel_count")),
        channel_format=_text(info, "channel_format"),
        stamps_s=stamps_s[order],
        samples=ordered,
        desc=_desc((info.get("desc") or [None])[0]),
    )


def _text(info: Mapping[str, Sequence[str | None]], field: str) -> str:
    return (info.get(field) or [None])[0] or ""


def _desc(found: Mapping[str, Any] | str | None) -> Description:
    """Return a stream's description; one of bare text describes nothing."""
    return _description(found) if isinstance(found, Mapping) else {}


def _description(tree: Mapping[str, Any] | None) -> Description:
    """Return pyxdf's tree with texts as texts; empty elements as empty texts."""
    return {
        name: [
            _description(child) if isinstance(child, Mapping) else str(child or "")
            for child in children
        ]
        for name, children in (tree or {}).items()
    }
