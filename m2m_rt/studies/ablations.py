"""The networks fitted from scratch with one thing changed at a time."""

from dataclasses import replace

from msgspec import structs

from m2m_rt.nets.sessions import HeadField
from m2m_rt.nets.shape_features import ShapeSettings
from m2m_rt.studies.realtime_system import FilterSystem, RecruitmentSystem
from m2m_rt.studies.systems import System


def ablations(head: HeadField) -> tuple[System, ...]:
    """Return the two networks fitted from scratch with one thing changed at a time."""
    filters = FilterSystem("filters", head)
    recruitment = RecruitmentSystem("recruitment", head)
    return (
        *_filter_ablations(filters),
        *_recruitment_ablations(recruitment),
    )


def _filter_ablations(system: FilterSystem) -> tuple[System, ...]:
    settings = system.settings
    changed = {
        "one_member": structs.replace(settings, n_members=1),
        "fixed_nrp": structs.replace(settings, learns_response=False),
        "squared_error": structs.replace(settings, likelihood=False),
        "own_noise_only": structs.replace(settings, shared=False),
    }
    return (
        replace(system, name="filters-magnitude", has_direction=False),
        replace(system, name="filters-12_filters", n_filters=12),
        replace(system, name="filters-48_filters", n_filters=48),
        *(
            replace(system, name=f"filters-{name}", settings=one)
            for name, one in changed.items()
        ),
    )


def _recruitment_ablations(system: RecruitmentSystem) -> tuple[System, ...]:
    settings = system.settings
    changed = {
        "fixed_nrp": structs.replace(settings, learns_profile=False),
        "squared_error": structs.replace(settings, likelihood=False),
        "shared_excitability": structs.replace(settings, shared=True),
        "20_features": structs.replace(settings, shape=ShapeSettings(n_features=20)),
        "80_features": structs.replace(settings, shape=ShapeSettings(n_features=80)),
    }
    return (
        replace(system, name="recruitment-magnitude", has_direction=False),
        *(
            replace(system, name=f"recruitment-{name}", settings=one)
            for name, one in changed.items()
        ),
    )
