"""Data parallelism in plain steps: shard, local gradients, reduce, broadcast, update.

An algorithm is a function of a `Channel`, which knows how to send an array to another rank and to
receive one. The same function runs on K replicas in one kernel (`run_ranks`) and in processes, on
one machine or several, on CPUs or GPUs (``course parallel run``, through `connect`).
"""

from course.parallel.channel import Channel, Run, run_ranks
from course.parallel.collectives import (
    central_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
    shard,
    tree_broadcast,
)
from course.parallel.costs import Link, bytes_sent, fit_link, step_seconds
from course.parallel.steps import average_gradients, same_everywhere
from course.parallel.torch_channel import TorchChannel, connect

__all__ = [
    "Channel",
    "Link",
    "Run",
    "TorchChannel",
    "average_gradients",
    "bytes_sent",
    "central_all_reduce",
    "connect",
    "fit_link",
    "ring_all_gather",
    "ring_all_reduce",
    "ring_reduce_scatter",
    "run_ranks",
    "same_everywhere",
    "shard",
    "step_seconds",
    "tree_broadcast",
]
