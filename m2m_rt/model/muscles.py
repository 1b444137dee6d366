"""The fifteen muscles, in the order of every array that has a muscle axis."""

MUSCLES = (
    "FDI",
    "APB",
    "ADM",
    "EDC",
    "EIP",
    "FDS",
    "ECR",
    "ECU",
    "FCR",
    "FCU",
    "BRD",
    "BIC",
    "TRI",
    "DEL",
    "PT",
)

FLOOR_UV = 5.0
"""Smaller amplitudes count as this: they are noise. Every score uses log10 of it."""

MEP_PRESENT_UV = 50.0
"""A muscle counts as answering from this size on, and for its resting threshold."""
