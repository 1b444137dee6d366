"""The one loop that runs a node, its timers and the numbering of messages."""

from m2m_rt.runtime.loop import run_node
from m2m_rt.runtime.sequence import Numbering, SequenceCheck
from m2m_rt.runtime.timers import Timers

__all__ = ["Numbering", "SequenceCheck", "Timers", "run_node"]
