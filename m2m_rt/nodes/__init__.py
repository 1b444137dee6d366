"""The daemons' state machines: `step(now_ns, message)` and nothing else."""

from m2m_rt.nodes.pose import PoseNode
from m2m_rt.nodes.pose_settings import PoseFault, PoseSettings

__all__ = ["PoseFault", "PoseNode", "PoseSettings"]
