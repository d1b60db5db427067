"""Data-parallel training with replicas in this kernel: `train_rank` without processes."""

import numpy as np
import pytest

from course.data import digits
from course.layers import TorchModule
from course.optimizers import Optimizer, adam, momentum
from course.parallel.lab import replicas
from course.parallel.lab.errors import ParallelError, UsageError
from course.parallel.lab.settings import Fault, Settings, rules
from course.parallel.lab.training import _network
from course.training import train

torch = pytest.importorskip("torch", reason="torch is not installed")

UNEVEN = {"epochs": 2, "batch_size": 479, "hidden": 20}  # the last batch is one sample


def trained(ranks, **settings):
    return replicas.train(Settings(**(UNEVEN | settings)), ranks)


def same(report, other):
    for param, wanted in zip(report.parameters, other.parameters, strict=True):
        np.testing.assert_allclose(param, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "lr", "rule", "hyper"),
    [("momentum", None, momentum, {"lr": 0.1}), ("adam", None, adam, {}),
     ("adam", 0.01, adam, {"lr": 0.01})],
)  # fmt: skip
def test_one_rank_trains_as_the_training_loop_does(name, lr, rule, hyper):
    report = trained(1, optimizer=name, lr=lr, seed=3)
    settings = Settings(**UNEVEN, seed=3)
    network = TorchModule(_network(64, settings))
    seen = train(
        network,
        Optimizer(rule, network.params, **hyper),
        digits(3),
        epochs=2,
        batch_size=479,
        rng=np.random.default_rng(3),
    )
    np.testing.assert_allclose(
        [epoch.train_loss for epoch in report.epochs], seen.train_loss[1:], rtol=0, atol=1e-12
    )
    assert [epoch.test_accuracy for epoch in report.epochs] == list(seen.test_accuracy[1:])
    for param, wanted in zip(report.parameters, network.params, strict=True):
        np.testing.assert_allclose(param, wanted.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", rules())
def test_every_rule_gives_the_same_with_three_ranks_as_with_one(optimizer):
    one, three = (trained(ranks, optimizer=optimizer, collective="ring") for ranks in (1, 3))
    np.testing.assert_allclose(
        [epoch.train_loss for epoch in three.epochs],
        [epoch.train_loss for epoch in one.epochs],
        rtol=0,
        atol=1e-5 if optimizer == "lion" else 1e-8,  # the sign of rounding errors is a whole step
    )


@pytest.mark.parametrize("collective", ["ring", "central"])
def test_the_report_tells_bytes_by_count_and_by_theory(collective):
    report = trained(4, collective=collective)
    same(report, trained(1))
    n_params = 64 * 20 + 20 + 20 * 10 + 10
    assert (report.n_params, report.n_bytes) == (n_params, 8 * (n_params + 1))
    assert report.bytes_per_step == report.bytes_expected
    total = {"ring": 2 * 3 * report.n_bytes, "central": 2 * 3 * report.n_bytes}
    assert sum(report.bytes_per_step) == total[collective]
    assert (max(report.bytes_per_step) == 3 * report.n_bytes) is (collective == "central")
    assert report.backend == "threads"
    assert min(report.compute_seconds, report.communication_seconds) > 0
    assert report.step_seconds > 0
    assert set(report.as_dict()) == {
        "nproc", "collective", "optimizer", "backend", "device", "batch_size", "n_params",
        "n_bytes", "bytes_per_step", "bytes_expected", "step_seconds", "compute_seconds",
        "communication_seconds", "samples_per_second", "epochs",
    }  # fmt: skip


def test_epochs_are_told_as_they_end():
    seen = []
    report = replicas.train(Settings(**UNEVEN), 2, seen=seen.append)
    assert seen == report.as_dict()["epochs"]
    assert [epoch["epoch"] for epoch in seen] == [1, 2]


def test_a_kernel_keeps_its_random_numbers():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    trained(2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_replicas_that_drift_apart_are_named():
    with pytest.raises(ParallelError) as error:
        trained(3, fault=Fault(2, 4, "differ"))
    assert str(error.value).startswith(
        "After epoch 1 the parameters are not the same on all ranks: on rank 2 they differ from "
        "rank 0's by up to 1e-06."
    )


OWN = """
def everyone(channel, x):
    others = [rank for rank in range(channel.size) if rank != channel.rank]
    for rank in others:
        channel.send(x, rank)
    for rank in others:
        x = x + channel.recv(rank)
    return x

def mean(channel, x):
    return everyone(channel, x) / channel.size

def without_the_last(channel, x):
    return everyone(channel, 0 * x if channel.rank == channel.size - 1 else x)

def only_rank_0(channel, x):
    total = everyone(channel, x)
    return x if channel.rank else total
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mean", r"the result on rank 0 differs .* it is 159\.7 and should be 479\."),
        ("without_the_last", r"the result on rank 0 differs .* it is 320 and should be 479\."),
        ("only_rank_0", r"the result on rank 1 differs .* it is 160 and should be 479\."),
    ],
)
def test_a_wrong_sum_is_named_though_all_ranks_would_train(tmp_path, name, text):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    begin = rf"^.*own\.py:{name} does not give the sum over all ranks: in epoch 1, step 1, "
    with pytest.raises(ParallelError, match=begin + text):
        trained(3, collective=f"{own}:{name}")


def test_a_difference_of_rounding_is_called_that(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    with pytest.raises(ParallelError, match="That is rounding: each rank must get the same bits"):
        trained(3, collective=f"{own}:everyone")


def test_a_training_that_diverges_is_no_difference():
    with pytest.raises(ParallelError, match="no longer finite: training has diverged"):
        trained(2, optimizer="sgd", lr=1e200)


def test_an_error_names_rank_and_step(tmp_path):
    with pytest.raises(ParallelError, match=r"^Rank 1 failed in epoch 2, step 1: RuntimeError: th"):
        trained(2, fault=Fault(1, 5, "fail"))
    own = tmp_path / "own.py"
    own.write_text("def own(channel, x):\n    return x / nothing\n")
    with pytest.raises(ParallelError, match=r"^Rank 0 .*'nothing' is not defined \(own.py line 2"):
        trained(2, collective=f"{own}:own")


def test_a_fault_that_would_never_come_is_refused():
    with pytest.raises(
        ParallelError, match=r"^--fault asks for step \d+, and the training has \d+"
    ):
        trained(2, fault=Fault(1, 10_000, "fail"))


def test_a_student_who_exits_has_failed(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def own(channel, x):\n    raise SystemExit(0)\n")
    with pytest.raises(ParallelError, match=r"^Rank 0 failed in epoch 1, step 1: SystemExit: 0"):
        trained(2, collective=f"{own}:own")


def test_an_error_has_its_line_however_the_file_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def own(channel, x):\n    return x / nothing\n")
    with pytest.raises(ParallelError, match=r"'nothing' is not defined \(own.py line 2\)"):
        trained(2, collective="./own.py:own")


def test_a_deadlock_and_a_loop_without_end_are_named(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def own(channel, x):\n    return x + channel.recv(1 - channel.rank)\n")
    with pytest.raises(ParallelError, match="rank 0 waits for rank 1, rank 1 waits for rank 0"):
        trained(2, collective=f"{own}:own")
    with pytest.raises(ParallelError, match=r"^Rank 1 has neither sent, received nor returned"):
        replicas.train(Settings(**UNEVEN, fault=Fault(1, 2, "hang")), 2, timeout=0.5)


@pytest.mark.parametrize(
    ("settings", "ranks", "text"),
    [
        ({}, 0, "--replicas must be at least 1, got 0"),
        ({"epochs": 0}, 2, "--epochs must be at least 1, got 0"),
        ({"batch_size": 0}, 2, "--batch-size must be at least 1, got 0"),
        ({"hidden": 0}, 2, "--hidden must be at least 1, got 0"),
        ({"seed": -1}, 2, "--seed must be at least 0, got -1"),
        ({"lr": -0.1}, 2, "--lr must be at least 0, got -0.1"),
        ({"lr": float("nan")}, 2, "--lr must be at least 0, got nan"),
        ({"batch_size": 3}, 4, "4 ranks for a batch of 3 samples: some would have nothing to do"),
        ({"collective": "rings"}, 2, "no collective 'rings'; there are ring, central, ddp, and"),
        ({"collective": "own.py"}, 2, "own.py alone names no function: give own.py:NAME"),
        ({"collective": "ddp"}, 2, "DistributedDataParallel needs processes"),
        ({"optimizer": "adem"}, 2, "no optimizer 'adem'; there are adadelta, adagrad, adam,"),
        ({"optimizer": "Optimizer"}, 2, "there is no optimizer"),
        ({"optimizer": "nesterov_lookahead"}, 2, "there is no optimizer"),
        ({"fault": Fault(2, 1, "fail")}, 2, "--fault names rank 2, but with 2 ranks they are 0"),
        ({"fault": Fault(1, 1, "kill")}, 2, "--fault kill would end all replicas"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, ranks, text):
    with pytest.raises(UsageError, match=text):
        trained(ranks, **settings)


def test_nccl_in_a_kernel_needs_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="backend 'nccl' needs a GPU"):
        replicas.train(Settings(), 2, backend="nccl")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_replicas_share_a_gpu():
    report = trained(3)
    assert report.device == "cuda"
    same(report, replicas.train(Settings(**UNEVEN), 1, backend="gloo"))
