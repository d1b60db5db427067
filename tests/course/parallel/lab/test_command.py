"""The ``course parallel`` command: what it prints, and its exit status. It runs replicas here."""

import json
import re
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from course.cli import app
from course.parallel import Link
from course.parallel.lab import command, processes
from course.parallel.lab.links import LinkReport

pytest.importorskip("torch", reason="torch is not installed")

QUICK = ("run", "--replicas", "3", "--epochs", "1", "--batch-size", "500", "--hidden", "10")


def run(*words):
    result = CliRunner().invoke(app, ["parallel", *words], env={"COLUMNS": "100"})
    return result.exit_code, result.stdout, result.stderr


def test_a_run_shows_scores_bytes_and_times():
    status, out, err = run(*QUICK)
    assert (status, err) == (0, "")
    assert "3 replicas, ring, threads on cpu: 760 parameters, momentum, batches of 500" in out
    assert re.search(r"│ +1 │ +\d\.\d{6} │ +\d+\.\d% │ +\d+\.\d\d │", out)
    assert re.search(r"│ +1 │ +8,120 │ +8,120 │", out)
    assert re.search(r"a step takes [\d.]+ ms \(median\): [\d.]+ ms to compute, [\d.]+ ms to", out)
    assert "samples a second" in out.splitlines()[-1]


def test_a_run_as_json_is_one_document_and_saves_what_it_trained(tmp_path):
    file = tmp_path / "trained.npz"
    status, out, err = run(*QUICK, "--json", "--save", str(file))
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["n_params"] == 760
    assert [path.name for path in tmp_path.iterdir()] == ["trained.npz"]
    with np.load(file) as arrays:
        shapes = [arrays[name].shape for name in arrays.files]
    assert shapes == [(10, 64), (10,), (10, 10), (10,)]


def test_a_collective_of_ones_own_has_no_theory(tmp_path):
    (tmp_path / "own.py").write_text("from course.parallel import ring_all_reduce as own\n")
    status, out, _ = run(*QUICK, "--collective", f"{tmp_path / 'own.py'}:own")
    assert status == 0
    assert re.search(r"│ +1 │ +8,120 │ +- │", out)


def test_with_ddp_times_are_not_split(monkeypatch):
    report = processes.Report(
        2, "ddp", "sgd", "gloo", "cpu", 64, 760, 6080, None, None, 0.002, None, None, 3e4, [], []
    )
    monkeypatch.setattr(processes, "train", lambda *given: report)
    out = run("run", "--collective", "ddp")[1]
    assert "a step takes 2 ms (median); DDP computes and communicates at the same time; 3" in out


@pytest.mark.parametrize("bandwidth", [1e9, float("inf")])
def test_links_show_a_line(monkeypatch, bandwidth):
    report = LinkReport(2, "gloo", "cpu", [8, 1000], [2e-5, 3e-5], Link(2e-5, bandwidth))
    monkeypatch.setattr(processes, "measure_link", lambda place: report)
    status, out, _ = run("links")
    assert status == 0
    assert re.search(r"│ +1,000 │ +0.0300 │ +33.3 │", out)
    assert "latency 20 µs" in out
    as_json = json.loads(run("links", "--json")[1])
    assert as_json["messages"][1] == {"bytes": 1000, "seconds": 3e-5}
    assert as_json["bandwidth_bytes_per_second"] == (None if np.isinf(bandwidth) else 1e9)


@pytest.mark.parametrize("words", [("run",), ("links",)])
def test_a_machine_without_rank_0_says_so(monkeypatch, words):
    monkeypatch.setattr(processes, "train", lambda *given: None)
    monkeypatch.setattr(processes, "measure_link", lambda place: None)
    line = "Machine 0 has done its part; machine 0 has the result.\n"
    assert run(*words) == (0, "", line)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--nproc", "0"), "--nproc must be at least 1, got 0."),
        (("--nproc", "65"), "65 ranks for a batch of 64 samples: some would have nothing to do."),
        (("--collective", "rong"), "there is no collective 'rong'; there are ring, central, ddp,"),
        (("--collective", "none.py:own"), "there is no file none.py"),
        (("--optimizer", "adem"), "there is no optimizer 'adem'"),
        (("--rdzv-endpoint", "a", "--nnodes", "2"), "--rdzv-endpoint must be HOST:PORT"),
        (("--replicas", "2", "--nproc", "2"), "give --nproc (processes) or --replicas"),
        (("--fault", "1:kill"), "--fault must be RANK:STEP:KIND with KIND one of kill, hang, fai"),
        (("--fault", "1:0:kill"), "such as 1:7:kill; got '1:0:kill'."),
        (("--fault", "1:1:sleep"), "got '1:1:sleep'."),
        (("--save", "."), "--save: . is a folder; give the name of a file."),
        (("--timeout", "inf"), "--timeout must be at most 604800, got inf."),
        (("--timeout", "0", "--replicas", "2"), "--timeout must be at least 0.1, got 0."),
        (("--lr", "inf"), "--lr must be at most 1.79769e+308, got inf."),
        (("--seed", f"{2**64}"), "--seed must be at most 9.22337e+18, got 1.84467e+19."),
        (("--save", "/not/there/x.npz"), "--save: there is no folder /not/there."),
    ],
)
def test_a_wrong_option_is_one_line(words, text):
    status, out, err = run("run", *words)
    assert (status, out) == (2, "")
    assert err.startswith("course: ")
    assert text in err
    assert err.count("\n") == 1


def test_a_failed_run_is_one_line():
    status, out, err = run(*QUICK, "--fault", "1:2:fail")
    assert (status, out) == (1, "")
    assert err.startswith("course: Rank 1 failed in epoch 1, step 2: RuntimeError: this was asked")
    assert err.count("\n") == 1


def test_a_result_that_cannot_be_saved_is_one_line(tmp_path):
    file = tmp_path / "trained.npz"
    (tmp_path / "trained.npz.part").mkdir()
    status, out, err = run(*QUICK, "--save", f"{file}")
    assert (status, out) == (1, "")
    assert err == f"course: --save: {file} cannot be written: Is a directory.\n"


def test_ctrl_c_is_no_failure(monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "train", stop)
    assert run("run") == (130, "", "")


@pytest.mark.parametrize("verb", ["run", "links"])
def test_without_torch_it_is_said_what_to_install(monkeypatch, verb):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, out, err = run(verb)
    assert (status, out) == (1, "")
    assert err == "course: this needs PyTorch, which is not here: pip install torch\n"


def test_progress_shows_on_a_terminal_only(monkeypatch):
    shown = []

    class Terminal(command.Console):
        def __init__(self, **given):
            super().__init__(**given, force_terminal=True, width=80)

        def status(self, text):
            shown.append(text)
            status = super().status(text)
            status.update = shown.append
            return status

    run(*QUICK)
    assert shown == []
    monkeypatch.setattr(command, "Console", Terminal)
    run(*QUICK)
    assert shown[0] == "starting"
    assert shown[1].startswith("epoch 1 of 1: loss ")
