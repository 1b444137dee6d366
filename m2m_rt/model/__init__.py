"""What a model takes and gives."""

from m2m_rt.model.muscles import FLOOR_UV, MUSCLES

__all__ = ["FLOOR_UV", "MUSCLES"]
