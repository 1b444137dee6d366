"""A hole in a stream as a person reads it."""

from m2m_rt.messages import StreamGap


def gap_line(gap: StreamGap) -> str:
    """Return one line: the stream, how much is lost if anything is, and why.

    >>> from m2m_rt.units import RigNs
    >>> gap_line(StreamGap(t_ns=RigNs(0), stream="emg", n_lost=3, reason="late"))
    'emg: 3 samples lost (late)'
    """
    if gap.n_lost == 0:
        return f"{gap.stream}: {gap.reason}"
    return f"{gap.stream}: {_lost(gap)} lost ({gap.reason})"


def _lost(gap: StreamGap) -> str:
    if gap.n_lost < 0:
        return "unknown number"
    if gap.stream == "emg":
        return f"{gap.n_lost} samples"
    return f"{gap.n_lost} messages" if "/" in gap.stream else str(gap.n_lost)
