"""The training loop makes the steps it says, records them, and ends when the loss overflows."""

import numpy as np
import pytest

from course.data import Split, batches, digits
from course.layers import Linear, ReLU, Sequential
from course.losses import cross_entropy, cross_entropy_grad
from course.optimizers import Optimizer, adam, sgd
from course.training import History, train


def network(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(64, 8, rng), ReLU(), Linear(8, 10, rng))


def test_it_is_the_loop_written_out():
    data = digits()
    ours, theirs = network(), network()
    seen = train(
        ours,
        Optimizer(adam, ours.params, lr=0.01),
        data,
        epochs=2,
        batch_size=100,
        rng=np.random.default_rng(7),
    )
    optimizer, rng = Optimizer(adam, theirs.params, lr=0.01), np.random.default_rng(7)
    losses = [cross_entropy(theirs.forward(data.x_train), data.y_train)]
    for _ in range(2):
        for batch in batches(len(data.x_train), 100, rng):
            logits = theirs.forward(data.x_train[batch])
            theirs.backward(cross_entropy_grad(logits, data.y_train[batch]))
            optimizer.step(theirs.grads)
        losses.append(cross_entropy(theirs.forward(data.x_train), data.y_train))
    np.testing.assert_array_equal(seen.train_loss, losses)
    test_logits = theirs.forward(data.x_test)
    assert seen.test_loss[-1] == cross_entropy(test_logits, data.y_test)
    assert seen.test_accuracy[-1] == np.mean(test_logits.argmax(axis=1) == data.y_test)
    assert not seen.diverged


def test_it_ends_when_the_loss_overflows():
    model = Sequential(
        Linear(64, 8, np.random.default_rng(0)), Linear(8, 10, np.random.default_rng(1))
    )
    seen = train(
        model,
        Optimizer(sgd, model.params, lr=1e6),
        digits(),
        epochs=50,
        batch_size=32,
        rng=np.random.default_rng(0),
    )
    assert seen.diverged
    assert seen.train_loss[-1] == np.inf
    assert 1 < len(seen.train_loss) < 51


def test_no_epochs_only_score():
    model = network()
    before = [param.copy() for param in model.params]
    optimizer, rng = Optimizer(sgd, model.params, lr=0.1), np.random.default_rng(0)
    seen = train(model, optimizer, digits(), epochs=0, batch_size=32, rng=rng)
    assert len(seen.train_loss) == 1
    assert all(np.array_equal(a, b) for a, b in zip(before, model.params, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"batch_size": 0}, "batch_size = 0"),
    ],
)
def test_bad_numbers_are_refused(change, message):
    x, y = np.zeros((3, 64)), np.zeros(3, dtype=int)
    model = network()
    numbers = {"epochs": 1, "batch_size": 2} | change
    with pytest.raises(ValueError, match=message):
        train(
            model,
            Optimizer(sgd, model.params, lr=0.1),
            Split(x, y, x, y),
            rng=np.random.default_rng(0),
            **numbers,
        )


def test_a_history_has_equal_lengths():
    with pytest.raises(ValueError, match=r"got \[2, 2, 1\]"):
        History(np.zeros(2), np.zeros(2), np.zeros(1))
