"""Convolution on a few sites of a grid: sums over taps, and their transpose.

A convolution is one matrix product that gives every site's contribution through every
tap, and a sum that brings the contributions together. Where only some sites matter the
sum's index lists are short, and what is left is the same arithmetic as the dense
convolution's, in another order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from m2m_rt.units import I64


@dataclass(slots=True)
class TapIndex:
    """Which contributions add up to which outputs; each is used once or not at all."""

    output_of: I64
    """(n_contributions,): output that each goes to, or −1."""

    n_outputs: int
    _spread: dict[int, Tensor] = field(default_factory=dict)
    _bags: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def spread(self, n_batch: int) -> Tensor:
        """Rows of (n_batch · n_outputs + 1,) to take; the last one is zero."""
        if n_batch not in self._spread:
            start = np.arange(n_batch)[:, np.newaxis] * self.n_outputs
            rows = np.where(
                self.output_of < 0, n_batch * self.n_outputs, self.output_of + start
            )
            self._spread[n_batch] = torch.tensor(rows.ravel())
        return self._spread[n_batch]

    def bags(self, n_batch: int) -> tuple[Tensor, Tensor]:
        """Contributions in the order of their outputs, and where each output starts."""
        if n_batch not in self._bags:
            order = np.argsort(self.output_of, kind="stable")
            order = order[self.output_of[order] >= 0]
            counts = np.bincount(self.output_of[order], minlength=self.n_outputs)
            start = np.arange(n_batch)[:, np.newaxis] * len(self.output_of)
            offsets = np.cumsum([0, *np.tile(counts, n_batch)])
            self._bags[n_batch] = (
                torch.tensor((order + start).ravel()),
                torch.tensor(offsets),
            )
        return self._bags[n_batch]


def tap_sum(contributions: Tensor, index: TapIndex) -> Tensor:
    """Add up contributions (n_batch, n, width) → (n_batch, n_outputs, width)."""
    summed: Tensor = _Tap.apply(  # type: ignore[no-untyped-call]  # torch has no annotation
        contributions, index, _sum
    )
    return summed


def tap_conv(rows: Tensor, kernel: Tensor, index: TapIndex) -> Tensor:
    """Return `tap_sum` of all taps' products, without keeping them all.

    Parameters
    ----------
    rows
        (n_batch, n_rows, n_in)
    kernel
        (n_in, n_taps · n_out)
    index
        Of n_rows · n_taps contributions.
    """
    summed: Tensor = _TapConv.apply(  # type: ignore[no-untyped-call]  # torch has no annotation
        rows, kernel, index
    )
    return summed


def tap_spread(outputs: Tensor, index: TapIndex) -> Tensor:
    """Give each contribution its output's row, or zeros; the transpose of the sum."""
    spread: Tensor = _Tap.apply(  # type: ignore[no-untyped-call]  # torch has no annotation
        outputs, index, _spread
    )
    return spread


class _Tap(torch.autograd.Function):
    """The sum, or the spread: each is the other's gradient."""

    @staticmethod
    def forward(
        ctx: "_Context", rows: Tensor, index: TapIndex, apply: "_Apply"
    ) -> Tensor:
        ctx.index, ctx.transposed = index, _sum if apply is _spread else _spread
        return apply(rows, index)

    @staticmethod
    def backward(ctx: "_Context", gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed(gradient, ctx.index), None, None


class _TapConv(torch.autograd.Function):
    """One pulse after the other: its products stay in the cache, and in one buffer."""

    @staticmethod
    def forward(
        ctx: "_Context", rows: Tensor, kernel: Tensor, index: TapIndex
    ) -> Tensor:
        ctx.index = index
        ctx.save_for_backward(rows, kernel)
        n_batch, n_rows, _ = rows.shape
        width = kernel.shape[1] * n_rows // len(index.output_of)
        products = rows.new_empty(n_rows, kernel.shape[1])
        summed = rows.new_empty(n_batch, index.n_outputs, width)
        for pulse, of_pulse in enumerate(rows):
            torch.mm(of_pulse, kernel, out=products)
            summed[pulse] = _sum(products.reshape(1, -1, width), index)[0]
        return summed

    @staticmethod
    def backward(ctx: "_Context", gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, kernel = ctx.saved_tensors
        n_batch, n_rows, _ = rows.shape
        width = gradient.shape[-1]
        of_rows, of_kernel = torch.empty_like(rows), torch.zeros_like(kernel)
        spread = rows.new_empty(len(ctx.index.output_of), width)
        by_row = spread.reshape(n_rows, -1)
        take, zero = ctx.index.spread(1), gradient.new_zeros(1, width)
        for pulse in range(n_batch):
            padded = torch.cat((gradient[pulse], zero))
            torch.index_select(padded, 0, take, out=spread)
            torch.mm(by_row, kernel.T, out=of_rows[pulse])
            of_kernel.addmm_(rows[pulse].T, by_row)
        return of_rows, of_kernel, None


_Apply = Callable[[Tensor, TapIndex], Tensor]


class _Context(torch.autograd.function.FunctionCtx):
    index: TapIndex
    transposed: "_Apply"
    saved_tensors: tuple[Tensor, ...]


def _sum(contributions: Tensor, index: TapIndex) -> Tensor:
    n_batch, _, width = contributions.shape
    rows, offsets = index.bags(n_batch)
    summed = torch.nn.functional.embedding_bag(
        rows,
        contributions.reshape(-1, width),
        offsets,
        mode="sum",
        include_last_offset=True,
    )
    return summed.reshape(n_batch, index.n_outputs, width)


def _spread(outputs: Tensor, index: TapIndex) -> Tensor:
    n_batch, _, width = outputs.shape
    padded = torch.cat((outputs.reshape(-1, width), outputs.new_zeros(1, width)))
    rows = padded.index_select(0, index.spread(n_batch))
    return rows.reshape(n_batch, -1, width)
