"""Training in processes: equal to one process, and one line where a rank is killed, hangs or fails.

Each launch imports torch in every rank; so there are few, with as few ranks as will do. What only
concerns `train_rank` is tested in threads, in test_training.py.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from course.parallel.lab import processes, replicas
from course.parallel.lab.errors import ParallelError, UsageError
from course.parallel.lab.processes import Place
from course.parallel.lab.settings import Fault, Settings
from processes import still_alive

pytest.importorskip("torch", reason="torch is not installed")

OWN = """
import os, signal
import numpy as np

def ring(channel, x):
    size, rank = channel.size, channel.rank
    chunks = np.array_split(x, size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step) % size], (rank + 1) % size)
        chunks[(rank - step - 1) % size] += channel.recv((rank - 1) % size)
    for step in range(size - 1):
        channel.send(chunks[(rank - step + 1) % size], (rank + 1) % size)
        chunks[(rank - step) % size][...] = channel.recv((rank - 1) % size)
    assert type(x) is np.ndarray
    print("seen")
    return x

def waits_first(channel, x):
    received = channel.recv((channel.rank + 1) % channel.size)
    channel.send(x, (channel.rank + 1) % channel.size)
    return x + received

def fails(channel, x):
    if channel.rank == 1:
        return x / x.nothing
    return ring(channel, x)

def never_gives_up(channel, x):
    while True:
        try:
            return x + channel.recv(1 - channel.rank)
        except Exception:
            pass

def stops(channel, x):
    if channel.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return ring(channel, x)
"""
UNEVEN = Settings(epochs=2, batch_size=479, hidden=40)  # the last batch is one sample
SHORT = Settings(epochs=1, batch_size=300)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    file = tmp_path_factory.mktemp("own") / "own.py"
    file.write_text(OWN)
    return lambda name: f"{file}:{name}"


@pytest.fixture(scope="module")
def alone():
    return replicas.train(UNEVEN, 1)


def changed(settings, **changes):
    return Settings(**{**vars(settings), **changes})


def fault_of(settings, ranks=2, timeout=120):
    """Run what shall fail, and return the line; no process may be left."""
    before = set(psutil.Process().children())
    with pytest.raises(ParallelError) as raised:
        processes.train(settings, Place(ranks, timeout=timeout))
    assert not still_alive(set(psutil.Process().children()) - before)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("collective", "ranks"),
    [("ring", 4), ("central", 3), ("own", 3), ("ddp", 4), ("ddp", 3), ("ddp", 2)],
)
def test_the_result_is_that_of_one_process(
    own, alone, collective, ranks, capfd, tmp_path, monkeypatch
):
    (tmp_path / "random.py").write_text("raise SystemExit")  # must not be found before Python's
    monkeypatch.chdir(tmp_path)
    name = own("ring") if collective == "own" else collective
    seen = []
    report = processes.train(changed(UNEVEN, collective=name), Place(ranks), seen.append)
    assert (report.nproc, report.backend, report.device) == (ranks, "gloo", "cpu")
    losses = [epoch.train_loss for epoch in report.epochs]
    np.testing.assert_allclose(losses, [epoch.train_loss for epoch in alone.epochs], atol=1e-10)
    for param, wanted in zip(report.parameters, alone.parameters, strict=True):
        np.testing.assert_allclose(param, wanted, rtol=0, atol=1e-10)
    assert [epoch.test_accuracy for epoch in report.epochs] == [
        epoch.test_accuracy for epoch in alone.epochs
    ]
    if collective == "ddp":
        assert report.bytes_per_step is report.bytes_expected is report.compute_seconds is None
    elif collective == "own":
        assert sum(report.bytes_per_step) == 2 * (ranks - 1) * report.n_bytes
    else:
        assert report.bytes_per_step == report.bytes_expected
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("seen") == (8 * ranks if collective == "own" else 0)
    assert not err.replace("seen", "").strip()


def test_a_killed_rank_is_named():
    line = fault_of(changed(SHORT, fault=Fault(1, 3, "kill")), ranks=3)
    assert line == "Rank 1 was killed (SIGKILL) in epoch 1, step 3."


def test_a_rank_that_computes_for_ever_is_named():
    line = fault_of(changed(SHORT, fault=Fault(1, 3, "hang"), collective="ddp"), timeout=5)
    assert line.startswith("Rank 1 hangs: nothing from it for ")
    assert line.endswith(" s; last seen in epoch 1, step 3.")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
def test_a_stopped_rank_is_named(own):
    line = fault_of(changed(SHORT, collective=own("stops")), timeout=5)
    assert line.startswith("Rank 1 hangs: nothing from it for ")
    assert line.endswith(" s; last seen in epoch 1, step 1.")


def test_an_error_is_named_with_its_line(own):
    number = OWN.splitlines().index("        return x / x.nothing") + 1
    assert fault_of(changed(SHORT, collective=own("fails"))) == (
        "Rank 1 failed in epoch 1, step 1: AttributeError: 'numpy.ndarray' object has no attribute "
        f"'nothing' (own.py line {number})"
    )


def test_a_deadlock_names_who_waits_for_whom(own):
    assert fault_of(changed(SHORT, collective=own("waits_first")), timeout=5) == (
        "Deadlock in epoch 1, step 1: rank 0 waits for rank 1, rank 1 waits for rank 0."
    )


def test_ranks_that_catch_all_errors_and_wait_again_are_named(own):
    assert fault_of(changed(SHORT, collective=own("never_gives_up")), timeout=2) == (
        "Deadlock in epoch 1, step 1: rank 0 waits for rank 1, rank 1 waits for rank 0."
    )


def test_a_link_is_measured():
    report = processes.measure_link(Place(2))
    assert report.nproc == 2
    assert len(report.n_bytes) == len(report.seconds) == 6
    assert min(report.seconds) > 0
    assert report.link.latency >= 0
    assert report.link.bandwidth > 0


def command(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "course", "parallel", "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ranks_of(launcher):
    """Wait until a rank computes for ever, and return all ranks' processes."""
    process = psutil.Process(launcher.pid)
    until = time.monotonic() + 120
    while time.monotonic() < until and launcher.poll() is None:
        ranks = process.children()
        if len(ranks) == 2 and all(rank.cpu_times().user > 1 for rank in ranks):
            return ranks
        time.sleep(0.05)
    raise AssertionError(launcher.communicate())


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_or_folder_is_left_behind(number, status, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with command("--fault", "1:1:hang", "--timeout", "600") as launcher:
        ranks = ranks_of(launcher)
        launcher.send_signal(number)
        out, err = launcher.communicate(timeout=60)
    assert not still_alive(ranks)
    assert (launcher.returncode, out, err) == (status, "", "")
    assert not list(tmp_path.glob("course-*"))


def two_machines():
    """Return the words for each of two machines, both this one, without their numbers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--nproc", "1", "--nnodes", "2", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    return [*words, "--epochs", "1", "--batch-size", "479", "--json"]


def test_machines_with_other_options_are_told_so():
    words = two_machines()
    said = "course: Rank 1 was started with --hidden 32, rank 0 with 64. Give all machines the same"
    with (
        command(*words, "--node-rank", "0") as first,
        command(*words, "--node-rank", "1", "--hidden", "32") as other,
    ):
        for process in (first, other):
            assert process.communicate(timeout=120)[1].startswith(said)
            assert process.returncode == 1


def test_machines_meet():
    words = two_machines()
    with command(*words, "--node-rank", "0") as first, command(*words, "--node-rank", "1") as other:
        out, err = first.communicate(timeout=120)
        assert other.communicate(timeout=120) == (
            "",
            "Machine 1 has done its part; machine 0 has the result.\n",
        )
    assert (first.returncode, other.returncode, err) == (0, 0, "")
    report = json.loads(out)
    assert report["nproc"] == 2
    assert report["bytes_per_step"] == report["bytes_expected"]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(0), "--nproc must be at least 1, got 0"),
        (Place(65), "65 ranks for a batch of 64 samples"),
        (Place(33, nnodes=2), "66 ranks for a batch of 64 samples"),
        (Place(2, timeout=0), "--timeout must be at least 2, got 0"),
        (Place(2, nnodes=0), "--nnodes must be at least 1, got 0"),
        (Place(2, endpoint="here:1"), "--rdzv-endpoint is for several machines"),
        (Place(2, nnodes=2, node_rank=2, endpoint="here:1"), "--node-rank 2 of 2 machines: they"),
        (Place(2, nnodes=2), "must be HOST:PORT of machine 0, such as .*, got ''"),
        (Place(2, nnodes=2, endpoint="here"), "got 'here'"),
        (Place(2, nnodes=2, endpoint="here:http"), "got 'here:http'"),
        (Place(2, nnodes=2, endpoint="here:70000"), "got 'here:70000'"),
        (Place(2, nnodes=2, endpoint="no.such.invalid:80"), "no machine 'no.such.invalid'"),
    ],
)
def test_a_place_that_cannot_be_is_refused(place, text):
    with pytest.raises(UsageError, match=text):
        processes.train(Settings(), place)


def test_nccl_needs_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(UsageError, match="a GPU for each rank: 2 ranks, 1 GPUs here"):
        processes.train(Settings(), Place(2, backend="nccl"))


def test_a_link_has_two_ends():
    with pytest.raises(UsageError, match="give --nproc 2 or more, not 1"):
        processes.measure_link(Place(1))
