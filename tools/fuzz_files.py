"""Damages coil, mesh and table files in thousands of ways and reads each of them.

    python tools/fuzz_files.py --cases 10000 --seed 0 --json fuzz.json

Every case must end in a clear error (DataError or ConfigError) or in an answer that
holds together, within bounded memory and time, and must run nothing that the file
holds. Exits 1 if one does not, and keeps its file beside the figures.
"""

import argparse
import faulthandler
import json
import multiprocessing
import pickle
import sys
import tempfile
import time
import tracemalloc
import warnings
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from fuzz_samples import sample_files

from m2m_rt.adapters.coil_file import read_coil
from m2m_rt.adapters.msh_file import read_msh
from m2m_rt.adapters.table_file import read_table
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.fem.coil_from_file import coil_from_file
from m2m_rt.fem.head_file import head_from_msh

MOST_MIB = 1024
"""Of memory for one small file; a count that is believed takes far more."""

SLOWEST_S = 60
BATCH = 1000
NUMBERS = (
    "-1 0 1e999 nan -inf 1e308 99999999999999999999 2147483647 4294967296 1e-320 . x"
).split()
WORDS = (0, -1, 2**31 - 1, -(2**31), 2**20, 2**40, 2**63 - 1)


DIGITS = np.frombuffer(b"0123456789", np.uint8)


class Payload:
    """Makes a folder if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        """Name the folder."""
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        """Return the call that unpickling would make."""
        return Path.mkdir, (self._mark,)


def main(arguments: list[str]) -> int:
    """Run the cases; return 0 if all ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    counts: dict[str, int] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        samples = sample_files(Path(folder))
        done, peak_mib = 0, 0
        while done < options.cases:
            cases = range(done, min(done + BATCH, options.cases))
            _batch(samples, Path(folder), options.seed, cases)
            done, peak = _collect(Path(folder), cases, counts, failures)
            peak_mib = max(peak, peak_mib)
            print(f"\r{done} of {options.cases}", end="", file=sys.stderr, flush=True)
    figures = {
        "cases": options.cases,
        "seed": options.seed,
        "outcomes": counts,
        "failed": failures,
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mib": peak_mib,
    }
    text = json.dumps(figures, indent=2)
    print(f"\n{text}")
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 1 if failures else 0


def damaged(raw: bytes, rng: np.random.Generator, mark: Path) -> bytes:
    """Return a file's content after one to three kinds of damage."""
    pickled = partial(_pickled, mark=mark)
    kinds = (_flip, _cut, _words, _digit, _digit, _number, _number, _splice, pickled)
    for _ in range(int(rng.integers(1, 4))):
        raw = kinds[int(rng.integers(len(kinds)))](raw, rng)
    return raw


def outcome_of(path: Path, kind: str, table_hash: str) -> str:
    """Read a damaged file; return how it ended, beginning with `bad` if badly."""
    try:
        return _read(path, kind, table_hash)
    except (DataError, ConfigError) as err:
        return "refused" if str(path) in str(err) or ":" in str(err) else "bad: unclear"
    except Exception as err:  # noqa: BLE001 - any other error is what is looked for
        return f"bad: {type(err).__name__}: {err}"[:300]


def _read(path: Path, kind: str, table_hash: str) -> str:
    if kind in {".ccd", ".tcd"}:
        coil = coil_from_file(read_coil(path))
        whole = (
            np.isfinite(coil.position_mm).all() and np.isfinite(coil.moment_am2).all()
        )
        return "answered" if whole and len(coil.winding_mm) else "bad: coil"
    if kind == ".msh":
        mesh = read_msh(path)
        whole = np.isfinite(mesh.nodes_mm).all()
        for elements in (mesh.triangles, mesh.tetrahedra):
            whole &= bool(((elements >= 0) & (elements < len(mesh.nodes_mm))).all())
        if len(mesh.tetrahedra):
            head_from_msh(mesh, str(path))
        return "answered" if whole else "bad: mesh"
    same = read_table(path).table_hash == table_hash
    return "answered" if same else "bad: table of other content"


def _batch(samples: list[Path], folder: Path, seed: int, cases: range) -> None:
    """Run some cases in a process of their own, so that a crash is one case's."""
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_work, args=(samples, folder, seed, cases))
    worker.start()
    worker.join()


def _work(samples: list[Path], folder: Path, seed: int, cases: range) -> None:
    warnings.simplefilter("error")
    table_hash = read_table(samples[-1]).table_hash
    tracemalloc.start()
    for case in cases:
        sample = samples[case % len(samples)]
        mark = folder / f"ran-{case}"
        rng = np.random.default_rng((seed, case))
        path = folder / f"case{sample.suffix}"
        path.write_bytes(damaged(sample.read_bytes(), rng, mark))
        faulthandler.dump_traceback_later(SLOWEST_S, exit=True)
        tracemalloc.reset_peak()
        outcome = outcome_of(path, sample.suffix, table_hash)
        peak_mib = tracemalloc.get_traced_memory()[1] // 1024**2
        faulthandler.cancel_dump_traceback_later()
        if mark.exists():
            outcome = "bad: ran a program"
        elif peak_mib > MOST_MIB:
            outcome = f"bad: took {peak_mib} MiB"
        (folder / f"{case}.out").write_text(f"{sample.name} {peak_mib} {outcome}")
        if outcome.startswith("bad"):
            path.rename(Path(f"fuzz-failure-{seed}-{case}{sample.suffix}").absolute())


def _collect(
    folder: Path, cases: range, counts: dict[str, int], failures: list[str]
) -> tuple[int, int]:
    """Count how a batch's cases ended; return the next case and the peak memory.

    The first case without an end has crashed or hung, and its batch with it.
    """
    most_mib = 0
    for case in cases:
        ended = folder / f"{case}.out"
        if not ended.exists():
            failures.append(f"case {case}: crashed or took more than {SLOWEST_S} s")
            return case + 1, most_mib
        name, peak_mib, outcome = ended.read_text().split(" ", 2)
        most_mib = max(most_mib, int(peak_mib))
        key = f"{Path(name).suffix[1:]} {outcome.split(':')[0]}"
        counts[key] = counts.get(key, 0) + 1
        if outcome.startswith("bad"):
            failures.append(f"case {case}: {name}: {outcome}")
        ended.unlink()
    return cases.stop, most_mib


def _flip(raw: bytes, rng: np.random.Generator) -> bytes:
    """Flip one to eight bits, near the beginning as often as anywhere."""
    changed = bytearray(raw)
    reach = min(len(raw), 400) if rng.random() < 0.5 else len(raw)
    for _ in range(int(rng.integers(1, 9)) if reach else 0):
        changed[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(raw: bytes, rng: np.random.Generator) -> bytes:
    """Drop the end."""
    return raw[: int(rng.integers(len(raw) + 1))]


def _words(raw: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number of 4 or 8 bytes over what is there."""
    word = WORDS[int(rng.integers(len(WORDS)))]
    size = 4 if -(2**31) <= word < 2**31 and rng.random() < 0.5 else 8
    at = int(rng.integers(max(1, len(raw) - size)))
    return raw[:at] + word.to_bytes(size, "little", signed=True) + raw[at + size :]


def _digit(raw: bytes, rng: np.random.Generator) -> bytes:
    """Replace one digit of a text by another: the mildest damage there is."""
    digits = np.flatnonzero(np.isin(np.frombuffer(raw, np.uint8), DIGITS))
    if not len(digits):
        return raw
    at = int(digits[int(rng.integers(len(digits)))])
    return raw[:at] + bytes([DIGITS[int(rng.integers(10))]]) + raw[at + 1 :]


def _number(raw: bytes, rng: np.random.Generator) -> bytes:
    """Replace one number of a text by an odd one."""
    digits = np.isin(np.frombuffer(raw, np.uint8), np.append(DIGITS, list(b".-")))
    starts = np.flatnonzero(digits & ~np.append(False, digits[:-1])[: len(digits)])
    if not len(starts):
        return raw
    near = starts[:20] if rng.random() < 0.3 else starts
    at = int(near[int(rng.integers(len(near)))])
    end = at
    while end < len(raw) and digits[end]:
        end += 1
    odd = NUMBERS[int(rng.integers(len(NUMBERS)))].encode()
    return raw[:at] + odd + raw[end:]


def _splice(raw: bytes, rng: np.random.Generator) -> bytes:
    """Repeat, drop or move a part."""
    first, second, third = sorted(int(k) for k in rng.integers(len(raw) + 1, size=3))
    a, b, c, d = raw[:first], raw[first:second], raw[second:third], raw[third:]
    ways = (a + b + b + c + d, a + c + d, a + c + b + d)
    return ways[int(rng.integers(3))]


def _pickled(raw: bytes, rng: np.random.Generator, mark: Path) -> bytes:
    """Put a pickle that makes a folder in the place of some list or text."""
    payload = pickle.dumps(Payload(mark))
    at = int(rng.integers(len(raw) + 1))
    start, end = raw.find(b": [", at), raw.find(b"]", at)
    if 0 <= start < end:
        return raw[:start] + b': "' + b64encode(payload) + b'"' + raw[end + 1 :]
    return raw[:at] + payload + raw[at:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
