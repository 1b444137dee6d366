"""Refuse what the import contracts cannot see: `check_purity.py [REPOSITORY]`.

Four rules, by reading the syntax trees: the core opens no file, reads no environment
and draws no unseeded number; nothing branches on "is this a replay"; calls that only
POSIX has lie in one adapter; files stay short.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CORE = (
    "nodes", "ports", "protocol", "learning", "model", "emg", "efield", "messages",
    "geometry", "errors", "units",
)  # fmt: skip
"""Packages and modules of m2m_rt that touch nothing outside themselves."""

HOST_ADAPTER = "m2m_rt/adapters/host.py"
"""The one file that may call what only POSIX has."""

LONGEST_FILE = 400
LONG_FILE = 300
LONGEST_DAEMON = 40

CORE_BUILTINS = frozenset(
    {"open", "exec", "eval", "compile", "print", "input", "breakpoint", "__import__"}
)
CORE_MODULES = frozenset(
    {
        "asyncio", "concurrent", "ctypes", "datetime", "fileinput", "glob", "http",
        "importlib", "io", "mmap", "multiprocessing", "os", "pathlib", "pickle",
        "queue", "random", "sched", "secrets", "select", "selectors", "shutil",
        "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading",
        "time", "urllib", "uuid", "h5py", "mcap", "onnxruntime", "pylsl", "torch",
        "zmq",
    }
)  # fmt: skip
CORE_ATTRIBUTES = frozenset(
    {
        "environ", "getenv", "savez", "savez_compressed", "fromfile", "tofile",
        "memmap", "open_memmap", "loadtxt", "savetxt", "genfromtxt", "perf_counter",
        "perf_counter_ns", "monotonic", "monotonic_ns", "time_ns", "read_text",
        "read_bytes", "write_text", "write_bytes",
    }
)  # fmt: skip
"""Names of file, clock and environment calls; none of them is a method in the core."""

NUMPY_FILES = frozenset({"np.load", "numpy.load", "np.save", "numpy.save"})
"""Named with their module: a port may well have a method `load`."""

SEEDED_RANDOM = frozenset({"Generator", "SeedSequence", "BitGenerator", "PCG64"})
"""What the core may take from numpy.random; also `default_rng`, given a seed."""

REPLAY_NAME = re.compile(
    r"^_?((is|in|for|during)_)?replay(ing|ed|_mode)?$", re.IGNORECASE
)

POSIX_MODULES = frozenset(
    {
        "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd",
        "syslog", "termios", "tty",
    }
)  # fmt: skip
POSIX_ATTRIBUTES = {
    "os": re.compile(
        r"^(sched_|posix_|wait(3|4|id)?$|W[A-Z]+|fork|set((e|re|res)?[ug]id|sid|pgid)$"
        r"|get(e?[ug]id|pg(id|rp)|sid|loadavg|priority|groups)$|set(priority|groups)$"
        r"|killpg$|mkfifo|mknod|nice$|uname$|openpty$|ctermid$|l?chown$|fch(mod|own)$"
        r"|f?statvfs$|fdatasync$|sync$|p(read|write)v?$|readv$|writev$|sysconf"
        r"|sendfile$|memfd_|eventfd|pidfd_|O_(D?SYNC|CLOEXEC|DIRECT|NONBLOCK)$)"
    ),
    "signal": re.compile(
        r"^(SIG(KILL|STOP|CONT|TSTP|USR[12]|HUP|QUIT|ALRM|CHLD|PIPE|WINCH|TT(IN|OU))"
        r"|pthread_|setitimer|getitimer|sig(wait|pending|timedwait)|pause|alarm)"
    ),
    "socket": re.compile(r"^(AF_UNIX|AF_NETLINK|SO_REUSEPORT|send_fds|recv_fds)$"),
    "time": re.compile(r"^(clock_|pthread_|tzset|CLOCK_)"),
}
POSIX_KEYWORDS = frozenset(
    {"preexec_fn", "pass_fds", "start_new_session", "process_group"}
)
POSIX_TEXT = re.compile(r"^(/proc/|/sys/|/dev/|/tmp/|/var/|/etc/|ipc://)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of a rule."""

    where: str
    """File and line, `m2m_rt/nodes/pose.py:12`."""

    what: str


def main(arguments: Sequence[str]) -> int:
    """Check the repository; print every finding and return 1 if there is one."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings: list[Finding] = []
    for path in sorted(python_files(root)):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        findings += check_file(name, text)
        n_lines = text.count("\n")
        if LONG_FILE < n_lines <= LONGEST_FILE:
            print(f"note: {name} has {n_lines} lines; aim for {LONG_FILE}")
    for finding in findings:
        print(f"{finding.where}: {finding.what}")
    return 1 if findings else 0


def python_files(root: Path) -> Iterator[Path]:
    """Yield the repository's own Python files: no hidden folder, no build output."""
    for entry in root.iterdir():
        if entry.name.startswith((".", "__pycache__")) or entry.name == "dist":
            continue
        if entry.is_dir():
            yield from python_files(entry)
        elif entry.suffix == ".py":
            yield entry


def check_file(name: str, text: str) -> list[Finding]:
    """Return what is wrong with one file; `name` is its path from the root."""
    tree = ast.parse(text, name)
    found = list(_too_long(name, text.count("\n")))
    for node in ast.walk(tree):
        reasons = [*_asks_for_replay(node)] if name.startswith("m2m_rt/") else []
        if name != HOST_ADAPTER:
            reasons += _posix_only(node, is_test=name.startswith("tests/"))
        if _is_core(name):
            reasons += _touches(node)
        line = getattr(node, "lineno", 1)
        found += [Finding(f"{name}:{line}", reason) for reason in reasons]
    return found


def _is_core(name: str) -> bool:
    package, _, rest = name.partition("/")
    return package == "m2m_rt" and re.split(r"[/.]", rest)[0] in CORE


def _too_long(name: str, n_lines: int) -> Iterator[Finding]:
    limit = LONGEST_DAEMON - 1 if name.startswith("daemons/") else LONGEST_FILE
    if n_lines > limit:
        yield Finding(name, f"has {n_lines} lines; the limit is {limit}")


# -- the core touches nothing -------------------------------------------------------


def _touches(node: ast.AST) -> Iterator[str]:
    for module in _imported(node):
        if module.partition(".")[0] in CORE_MODULES:
            yield f"the core imports {module}"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id in CORE_BUILTINS:
            yield f"the core uses {node.id}()"
    if isinstance(node, ast.Attribute):
        if node.attr in CORE_ATTRIBUTES or _dotted(node) in NUMPY_FILES:
            yield f"the core uses .{node.attr}: a file, a clock or the environment"
    yield from _unseeded(node)


def _unseeded(node: ast.AST) -> Iterator[str]:
    """Refuse numpy's global random state and a generator without a seed."""
    if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
        names = {alias.name for alias in node.names}
    elif isinstance(node, ast.Attribute) and _dotted(node.value).endswith(".random"):
        names = {node.attr}
    else:
        names = set()
    for name in sorted(names - SEEDED_RANDOM - {"default_rng"}):
        yield f"the core uses numpy's global random state (random.{name})"
    if isinstance(node, ast.Call) and _dotted(node.func).endswith("default_rng"):
        seeds = [*node.args, *(keyword.value for keyword in node.keywords)]
        if not seeds or any(_is_none(seed) for seed in seeds):
            yield "the core makes a random generator without a seed"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


# -- live and replay are the same code ----------------------------------------------


def _asks_for_replay(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.If | ast.IfExp | ast.While | ast.Match):
        return
    for part in _operands(node.subject if isinstance(node, ast.Match) else node.test):
        name = _dotted(part).rpartition(".")[2]
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            name = part.value
        if REPLAY_NAME.match(name):
            yield f"a branch asks for {name!r}: live and replay are the same code"


def _operands(test: ast.expr) -> Iterator[ast.expr]:
    """Yield what a condition is made of: of `not a.b and c() == d`, a.b, c and d."""
    match test:
        case ast.BoolOp(values=parts):
            inner = parts
        case ast.Compare(left=left, comparators=others):
            inner = [left, *others]
        case ast.UnaryOp(operand=part) | ast.NamedExpr(value=part):
            inner = [part]
        case ast.Call(func=part):
            inner = [part]
        case _:
            yield test
            return
    for part in inner:
        yield from _operands(part)


# -- portability --------------------------------------------------------------------


def _posix_only(node: ast.AST, *, is_test: bool) -> Iterator[str]:
    for module in _imported(node):
        if module.partition(".")[0] in POSIX_MODULES:
            yield f"{module} exists only on POSIX; it belongs in {HOST_ADAPTER}"
    for module, name in _taken_from_modules(node):
        if module in POSIX_ATTRIBUTES and POSIX_ATTRIBUTES[module].match(name):
            yield f"{module}.{name} exists only on POSIX; it belongs in {HOST_ADAPTER}"
    if isinstance(node, ast.keyword) and node.arg in POSIX_KEYWORDS:
        yield f"{node.arg}= exists only on POSIX; it belongs in {HOST_ADAPTER}"
    if not is_test and isinstance(node, ast.Constant) and isinstance(node.value, str):
        if POSIX_TEXT.match(node.value):
            yield f"{node.value!r} exists only on POSIX; it belongs in {HOST_ADAPTER}"


def _taken_from_modules(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of `module.name` and of `from module import name`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield node.value.id, node.attr
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield node.module or "", alias.name


def _imported(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def _dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a chain of names; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
