"""The key/value cache of the sampling loop: allocated once, with rows that can be shared out and taken away."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


class ReservedLayer(DynamicLayer):
    """A cache layer that allocates all of its room at the first call, where the usual one copies itself each token."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):
        """Append [n, heads, t, d] keys and values; return all of them [n, heads, T, d], as views."""
        if not self.is_initialized:
            rows, heads, _, _ = key_states.shape
            self.key_room = key_states.new_empty(rows, heads, self.columns, key_states.shape[-1])
            self.value_room = value_states.new_empty(rows, heads, self.columns, value_states.shape[-1])
            self.used = 0
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        start, self.used = self.used, self.used + key_states.shape[-2]
        self.key_room[:, :, start : self.used] = key_states
        self.value_room[:, :, start : self.used] = value_states
        self._show()
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Row i becomes the former row indices[i]."""
        self.key_room, self.value_room = self.key_room[indices], self.value_room[indices]
        self._show()

    def move_rows(self, target: Tensor, source: Tensor, rows: int) -> None:
        """Copy rows `source` over rows `target` and keep the first `rows` rows."""
        self.key_room[target, :, : self.used] = self.key_room[source, :, : self.used]
        self.value_room[target, :, : self.used] = self.value_room[source, :, : self.used]
        self.key_room, self.value_room = self.key_room[:rows], self.value_room[:rows]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = self.key_room[:, :, : self.used], self.value_room[:, :, : self.used]


def reserved_cache(model: PreTrainedModel, columns: int) -> DynamicCache:
    """The model's own kind of cache with its full-attention layers replaced by preallocated ones."""
    cache = DynamicCache(config=model.config)
    cache.layers = [ReservedLayer(columns) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def close_gaps(cache: DynamicCache, live: Tensor) -> Tensor:
    """Drop the rows that have ended; return for each row that is left where it stood before."""
    left = int(live.sum())
    gaps = (~live[:left]).nonzero()[:, 0]
    movers = live[left:].nonzero()[:, 0] + left
    place = torch.arange(left, device=live.device)
    place[gaps] = movers
    for layer in cache.layers:
        if isinstance(layer, ReservedLayer):
            layer.move_rows(gaps, movers, left)
        else:
            layer.batch_select_indices(place)
    return place
