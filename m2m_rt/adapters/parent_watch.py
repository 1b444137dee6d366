"""Notices the end of the process that started this one, however it ended."""

import os
import threading
from collections.abc import Callable

STDIN = 0


class ParentWatch:
    """Watches a pipe whose other end the parent holds open for as long as it lives.

    The operating system closes it for a parent that was killed, too, so nobody is left
    running that nobody supervises. The thread only blocks in read(2).
    """

    def __init__(
        self, descriptor: int = STDIN, *, then: Callable[[], None] = lambda: None
    ) -> None:
        """Watch from now on; `then` is called in the watching thread."""
        self._descriptor = descriptor
        self._then = then
        self._ended = threading.Event()
        threading.Thread(target=self._wait, name="parent", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the parent has let go."""
        return self._ended.is_set()

    def _wait(self) -> None:
        # Not sys.stdin: a thread that holds its lock makes the interpreter's end fail.
        try:
            while os.read(self._descriptor, 1024):
                continue
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
