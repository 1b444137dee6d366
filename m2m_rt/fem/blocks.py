"""Blocks of a build: solved by whoever can, kept as they come, in no special order.

A block's numbers depend on the block alone, and what is made of them takes them in the
order of their names. So a result does not depend on who solved which block when.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from m2m_rt.fem.direct import HeadModel
from m2m_rt.fem.memory import BlockSizes
from m2m_rt.fem.work_folder import WorkFolder
from m2m_rt.units import F64

Item = TypeVar("Item")
ItemIn = TypeVar("ItemIn", contravariant=True)


class Job(Protocol[ItemIn]):
    """What is done to every block; a value that can be sent to another process."""

    def __call__(self, model: HeadModel, item: ItemIn, /) -> F64:
        """Return the block's result; depends on nothing but the arguments."""


class BlockPool(Protocol):
    """Does jobs with one head's factorised model."""

    def run(
        self, job: Job[Item], items: Iterable[tuple[str, Item]]
    ) -> Iterator[tuple[str, F64]]:
        """Yield each item's name and result as it is done; take items as needed."""


@dataclass(frozen=True, slots=True)
class SerialPool:
    """One block after another, in this process."""

    model: HeadModel

    def run(
        self, job: Job[Item], items: Iterable[tuple[str, Item]]
    ) -> Iterator[tuple[str, F64]]:
        """Yield each item's name and result, in the items' order."""
        for name, item in items:
            yield name, job(self.model, item)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where blocks are solved and kept, and how large they are."""

    pool: BlockPool
    work: WorkFolder
    sizes: BlockSizes

    def finish(
        self,
        job: Job[Item],
        items: Mapping[str, Callable[[], Item]],
        progress: Callable[[float], None],
    ) -> None:
        """Do and keep all blocks that are not kept yet; items are made when needed."""
        todo = [name for name in items if self.work.read(name) is None]
        if not todo:
            return
        n_done = len(items) - len(todo)
        progress(n_done / len(items))
        made = ((name, items[name]()) for name in todo)
        for name, result in self.pool.run(job, made):
            self.work.write(name, result)
            n_done += 1
            progress(n_done / len(items))
