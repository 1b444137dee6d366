"""Notices the end of the process that started this one, however it ended."""

import os
import queue
import threading
from collections.abc import Callable, Iterator

STDIN = 0


class ParentWatch:
    """Watches a pipe whose other end the parent holds open for as long as it lives.

    The operating system closes it for a parent that was killed, too, so nobody is left
    running that nobody supervises. The thread only blocks in read(2).
    """

    def __init__(
        self,
        descriptor: int = STDIN,
        *,
        then: Callable[[], None] = lambda: None,
        heard: Callable[[bytes], object] = lambda _: None,
    ) -> None:
        """Watch from now on.

        Both are called in the watching thread: `heard` with what the parent says,
        `then` at its end.
        """
        self._descriptor = descriptor
        self._then = then
        self._heard = heard
        self._ended = threading.Event()
        threading.Thread(target=self._wait, name="parent", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the parent has let go."""
        return self._ended.is_set()

    def _wait(self) -> None:
        # Not sys.stdin: a thread that holds its lock makes the interpreter's end fail.
        try:
            while said := os.read(self._descriptor, 1024):
                self._heard(said)
        except OSError:
            return
        finally:
            self._ended.set()
            self._then()


def exit_with_parent() -> None:
    """End this process, in the middle of whatever it does, when its parent has ended.

    Only for work that nobody asks for once the parent is gone.
    """
    ParentWatch(then=lambda: os._exit(1))


def lines_of_parent() -> Iterator[str]:
    """Return the lines that the parent writes, as it writes them.

    As with `exit_with_parent`, this process ends when the parent does, whatever it is
    doing then.
    """
    parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    ParentWatch(then=lambda: os._exit(1), heard=parts.put)
    return _lines(parts)


def _lines(parts: "queue.SimpleQueue[bytes]") -> Iterator[str]:
    begun = b""
    while True:
        *whole, begun = (begun + parts.get()).split(b"\n")
        yield from (line.decode() for line in whole)
