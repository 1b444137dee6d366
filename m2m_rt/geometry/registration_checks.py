"""Whether paired points can be registered, and in words why not.

A fit always gives a transform. What is refused is a set of points to which a mirror, a
swap or a scale fits clearly better, or which cannot show that none of them is there.
"Clearly" is a likelihood ratio of Gaussian noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np

from m2m_rt.geometry.registration import (
    FIT_FREEDOMS,
    PointPairs,
    RigidFit,
    fit_rigid,
)
from m2m_rt.geometry.registration_limits import (
    UNIT_FACTORS,
    Finding,
    RegistrationFault,
    RegistrationSettings,
)
from m2m_rt.geometry.registration_rivals import (
    best_order,
    centred,
    left_out_errors_mm,
    outlier,
    size_ratio,
    squares_if_mirrored,
    squares_if_scaled,
)

_UNIT_TOLERANCE = 0.15
_LARGEST_MM = 1e7  # micrometres of a room; NaN is not below it
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class RegistrationRefused:
    """The points must not be used; of several explanations the likeliest first."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """Return the explanations as one line."""
        return "; or ".join(finding.detail for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Registration:
    """An accepted registration."""

    pairs: PointPairs
    fit: RigidFit
    scale: float
    """Size of the points in a over that in b; not applied."""

    notes: tuple[str, ...]
    """What a person should look at though it is no reason to refuse."""


def register_points(
    pairs: PointPairs, settings: RegistrationSettings | None = None
) -> Registration | RegistrationRefused:
    """Return `a_from_b` of paired points with its errors, or why there is none."""
    limits = settings or RegistrationSettings()
    found = tuple(_shape_findings(pairs, limits)) or tuple(
        _unit_findings(pairs, limits)
    )
    if found:
        return RegistrationRefused(found)
    fit = fit_rigid(a_mm=pairs.a_mm, b_mm=pairs.b_mm)
    found = tuple(_fit_findings(pairs, fit, limits))
    if found:
        return RegistrationRefused(found)
    notes = tuple(_notes(pairs, fit, limits))
    return Registration(pairs, fit, size_ratio(pairs), notes)


def _shape_findings(
    pairs: PointPairs, limits: RegistrationSettings
) -> Iterator[Finding]:
    n = len(pairs.names)
    if pairs.a_mm.shape != (n, 3) or pairs.b_mm.shape != (n, 3):
        shapes = f"{pairs.a_mm.shape} and {pairs.b_mm.shape}"
        yield _finding("not_pairs", f"points are {shapes}, expected ({n}, 3) each")
    elif len(set(pairs.names)) < n:
        twice = sorted({name for name in pairs.names if pairs.names.count(name) > 1})
        yield _finding("not_pairs", f"names come twice: {', '.join(twice)}")
    elif not np.all(np.abs((pairs.a_mm, pairs.b_mm)) < _LARGEST_MM):
        yield _finding("not_pairs", f"a coordinate is no number below {_LARGEST_MM:g}")
    elif n > _MOST_POINTS:
        text = f"{n} points, expected {_MOST_POINTS} at most: a head shape is no pairs"
        yield _finding("not_pairs", text)
    elif n < 3:
        yield _finding("too_few", f"{n} points, expected 4 or more, not in one plane")
    else:
        yield from _place_findings(pairs, limits)


def _place_findings(
    pairs: PointPairs, limits: RegistrationSettings
) -> Iterator[Finding]:
    for points in (pairs.a_mm, pairs.b_mm):
        size = np.sqrt(np.mean(centred(points) ** 2))
        apart = np.linalg.norm(points[:, np.newaxis] - points, axis=2)  # (n, n)
        close = np.argwhere(np.triu(apart <= 0.02 * size, k=1))
        if len(close):
            both = " and ".join(pairs.names[point] for point in close[0])
            yield _finding("coincident", f"{both} are at one place")
            return
        along, across, _ = np.linalg.svd(centred(points), compute_uv=False)
        # The tilt about the line is known as well as noise over this width.
        narrow = across / along < 0.05
        if narrow:
            yield _finding("collinear", "the points lie on a line; add one beside it")
            return
    if len(pairs.names) == 3 and not limits.allow_coplanar:
        yield _finding(
            "too_few",
            "3 points cannot show whether left and right are exchanged; add one off "
            "their plane, such as the vertex",
        )


def _unit_findings(
    pairs: PointPairs, limits: RegistrationSettings
) -> Iterator[Finding]:
    spread_mm = float(np.sqrt(3.0 * np.mean(centred(pairs.a_mm) ** 2)))
    is_plausible = limits.min_spread_mm <= spread_mm <= limits.max_spread_mm
    scale = size_ratio(pairs)
    for unit, factor in UNIT_FACTORS.items():
        if is_plausible and abs(log(scale / factor)) < _UNIT_TOLERANCE:
            yield _finding(
                "wrong_unit",
                f"the second frame's points look like {unit}, expected mm: the first "
                f"frame's are {scale:.4g} times their size",
            )
            return
    if not is_plausible:
        yield _finding("wrong_unit", _spread_text(spread_mm, scale, limits))


def _spread_text(spread_mm: float, scale: float, limits: RegistrationSettings) -> str:
    expected = f"expected {limits.min_spread_mm:g} to {limits.max_spread_mm:g} mm"
    likely = [
        (abs(log(scale * factor)), f"; they look like {unit} (factor {factor:g})")
        for unit, factor in UNIT_FACTORS.items()
        if limits.min_spread_mm <= spread_mm * factor <= limits.max_spread_mm
    ]
    likely.sort()  # the other frame's size tells inches from centimetres
    return (
        f"the first frame's points spread {spread_mm:.4g} about their centre, "
        f"{expected}{''.join(text for _, text in likely[:1])}; "
        f"the frames' sizes differ by {scale:.4g}"
    )


def _fit_findings(
    pairs: PointPairs, fit: RigidFit, limits: RegistrationSettings
) -> Iterator[Finding]:
    """Yield what fits clearly better than the pairs as they are, best first."""
    given = float(np.sum(fit.residual_mm**2))
    rivals = [
        (squares_if_mirrored(pairs), _mirror_finding()),
        _swap_rival(pairs),
        _scale_rival(pairs, fit, limits),
    ]
    allowed = limits.max_noise_mm**2 * (fit.residual_mm.size - FIT_FREEDOMS)
    clear = [
        (squares, finding)
        for squares, finding in rivals
        if given - squares > limits.clear_mm2 and squares <= allowed
    ]
    if clear:
        yield from (finding for _, finding in sorted(clear, key=lambda rival: rival[0]))
        return
    if fit.noise.noise_mm > limits.max_noise_mm:
        yield _noise_finding(pairs, fit, limits)
        return
    if not limits.allow_coplanar and not _shows_mirror(pairs, given, limits):
        yield _finding(
            "coplanar",
            "a mirrored set of these points fits as well, so left and right could be "
            "exchanged; add a point farther off their plane, such as the vertex",
        )


def _shows_mirror(
    pairs: PointPairs, given_mm2: float, limits: RegistrationSettings
) -> bool:
    return abs(squares_if_mirrored(pairs) - given_mm2) > limits.clear_mm2


def _mirror_finding() -> Finding:
    return _finding(
        "mirrored",
        "one frame is mirrored: a reflection fits clearly better. Look for one sign "
        "(LPS against RAS needs two) or a flipped image axis",
    )


def _swap_rival(pairs: PointPairs) -> tuple[float, Finding]:
    best = best_order(pairs)
    moved = [
        f"{pairs.names[point]} is where {pairs.names[other]} should be"
        for point, other in enumerate(best.order)
        if point != other
    ]
    swapped = [pairs.names[p] for p, other in enumerate(best.order) if p != other]
    text = " and ".join(swapped) + " are swapped" if len(swapped) == 2 else ""
    detail = text or "points are in the wrong order: " + ", ".join(moved)
    return best.squares_mm2, _finding("swapped", detail)


def _scale_rival(
    pairs: PointPairs, fit: RigidFit, limits: RegistrationSettings
) -> tuple[float, Finding]:
    """Return the similarity's sum of squares; infinite within the tolerance."""
    squares, scale = squares_if_scaled(pairs, fit)
    text = (
        f"the first frame's points are {scale:.4g} times the second's size, expected 1 "
        f"within {limits.max_scale:g}: another head, or voxels instead of mm"
    )
    finding = _finding("scaled", text)
    return (squares if abs(scale - 1.0) > limits.max_scale else np.inf), finding


def _noise_finding(
    pairs: PointPairs, fit: RigidFit, limits: RegistrationSettings
) -> Finding:
    worst = outlier(pairs, expected_noise_mm=limits.expected_noise_mm)
    named = f"; {worst} does not belong to the others" if worst else ""
    noise = fit.noise
    return _finding(
        "noisy",
        f"points are {noise.noise_mm:.1f} mm off per axis (95 %: {noise.low_mm:.1f} to "
        f"{noise.high_mm:.1f}), expected at most {limits.max_noise_mm:g}{named}",
    )


def _notes(
    pairs: PointPairs, fit: RigidFit, limits: RegistrationSettings
) -> Iterator[str]:
    worst = outlier(pairs, expected_noise_mm=limits.expected_noise_mm)
    if worst is not None:
        error_mm = left_out_errors_mm(pairs)[pairs.names.index(worst)]
        yield f"{worst} is {error_mm:.1f} mm from where the other points put it"
    given = float(np.sum(fit.residual_mm**2))
    if not _shows_mirror(pairs, given, limits):
        yield "a mirrored set fits as well: check left and right on a pose"
    best = best_order(pairs, is_other=True)
    if best.squares_mm2 - given < limits.clear_mm2:
        alike = [pairs.names[p] for p, other in enumerate(best.order) if p != other]
        yield f"their places alone cannot tell apart: {', '.join(alike)}"


def _finding(fault: str, detail: str) -> Finding:
    return Finding(RegistrationFault(fault), detail)
