"""What a process asks of its host is what the host then says of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux' own words")


def said_by(program: str) -> str:
    command = [sys.executable, "-c", f"from m2m_rt.adapters.host import *\n{program}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@ON_LINUX
def test_memory_is_locked_only_where_it_may_all_be() -> None:
    program = """
import re
is_locked = lock_memory()
kept = int(re.search(r"VmLck:\\s+(\\d+)", open("/proc/self/status").read())[1])
more = bytearray(64_000_000)
print(is_locked == (kept > 0))
"""
    assert said_by(program) == "True"


@ON_LINUX
def test_the_lowest_priority_is_that_of_what_others_leave() -> None:
    program = """
import os
lowest_priority()
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""
    assert said_by(program) == f"19 {os.SCHED_IDLE}"
