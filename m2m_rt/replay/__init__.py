"""Exact replay of recorded sessions, and what it finds."""

from m2m_rt.replay.compare import FieldDifference, first_difference
from m2m_rt.replay.exact import replay_daemon
from m2m_rt.replay.report import Difference, Finding, ReplayReport
from m2m_rt.replay.session import (
    BuildNode,
    SessionCheck,
    check_session,
    n_bytes_to_replay,
)
from m2m_rt.replay.summary import SessionSummary, summarise

__all__ = [
    "BuildNode",
    "Difference",
    "FieldDifference",
    "Finding",
    "ReplayReport",
    "SessionCheck",
    "SessionSummary",
    "check_session",
    "first_difference",
    "n_bytes_to_replay",
    "replay_daemon",
    "summarise",
]
