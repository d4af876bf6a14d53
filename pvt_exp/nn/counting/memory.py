"""Memory of a training step, counted on the meta device: nothing is computed and nothing allocated.

Live tensors are tracked op by op, forward and backward: what autograd saves counts until it is freed, and shared storage
counts once. Attention is the fused kernel, which keeps no score matrix. Mixed precision casts the ops that autocast casts
on a GPU, as PyTorch documents them; on the CPU norms stay in the narrow type.
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NARROW = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
NARROWED = {F.linear, F.conv2d, torch.conv2d, F.conv_transpose2d, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm,
            torch.einsum, F.scaled_dot_product_attention}  # fmt: skip
WIDENED = {F.layer_norm, F.group_norm, F.softmax, torch.softmax, Tensor.softmax, F.log_softmax, F.cross_entropy,
           F.binary_cross_entropy_with_logits, F.smooth_l1_loss, F.l1_loss, torch.sum, Tensor.sum}  # fmt: skip


def of_step(module: nn.Module, loss: Callable[[], Tensor], states: int, precision: str, parts: int, ema: bool) -> int:
    """Peak bytes of a training step, once the optimizer has its state.

    That is weights, buffers and their moving average, the optimizer's state, and the most of gradients and all that is
    computed on the way. What libraries take for themselves (CUDA's context, cuDNN's workspace) is not in it.

    Args:
        module: On the meta device, in training.
        loss: Of one micro-batch; the tensors that it makes lie on the meta device.
        states: Copies of the trained parameters that the optimizer keeps.
        precision: The run's.
        parts: Micro-batches that a step adds up.
        ema: Whether there is a moving average of the weights.
    """
    fixed = [*module.parameters(), *module.buffers()]
    trained = size(p for p in module.parameters() if p.requires_grad)
    with torch.device("meta"), Live() as live, Kernels(NARROW.get(precision)):
        live.ignore(fixed)
        for _ in range(min(parts, 2)):  # from the second on, gradients are there already
            loss().backward()  # type: ignore[no-untyped-call]
    for parameter in module.parameters():
        parameter.grad = None
    unfused = trained if precision == "16-mixed" else 0
    most: int = max(live.peak, trained + unfused)
    return size(fixed) * (2 if ema else 1) + states * trained + most


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tracks the bytes of all tensors that ops make: live now, and at the peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak = 0, 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def ignore(self, tensors: Iterable[Tensor]) -> None:
        """Do not count tensors that were there before."""
        self._seen.update(tensor.untyped_storage() for tensor in tensors)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and (storage := leaf.untyped_storage()) not in self._seen:
                self._seen.add(storage)
                self._change(storage.nbytes())
                weakref.finalize(storage, self._change, -storage.nbytes())
        return out

    def _change(self, by: int) -> None:
        self.now += by
        self.peak = max(self.peak, self.now)


class Kernels(TorchFunctionMode):
    """Replaces ops by what a GPU would run: fused attention, and the casts of autocast."""

    def __init__(self, narrow: torch.dtype | None) -> None:
        super().__init__()
        self.narrow = narrow

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.narrow is not None and func in NARROWED:
            args, kwargs = tree_map_only(
                Tensor, lambda x: x.to(self.narrow) if x.is_floating_point() else x, (args, kwargs)
            )
        elif self.narrow is not None and func in WIDENED:
            args, kwargs = tree_map_only(Tensor, lambda x: x.float() if x.dtype == self.narrow else x, (args, kwargs))
        if func is F.scaled_dot_product_attention:
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*args[:3])[0]
        return func(*args, **kwargs)
