"""The demo: a virtual lab on real streams, a whole session, and its report."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m2m_rt.adapters.lsl_config import use_config, write_loopback_config


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What a demo run varies."""

    n_pulses: int
    seed: int
    session: Path | None
    quiet: bool


@contextmanager
def loopback_only() -> Iterator[Path]:
    """Keep LSL on this machine and apart from other demos; give a folder for it.

    liblsl reads its configuration when it is loaded: enter this before anything
    imports pylsl.
    """
    with tempfile.TemporaryDirectory(prefix="m2m-demo-") as temporary:
        config = Path(temporary) / "lsl_api.cfg"
        write_loopback_config(config, f"m2m-demo-{uuid.uuid4().hex[:12]}")
        use_config(config)
        yield Path(temporary)
