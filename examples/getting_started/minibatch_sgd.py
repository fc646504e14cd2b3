"""Minibatch SGD: every step looks at a few examples; training stops when it no longer pays.

    for (x_batch, y_batch) in train_batches:
        loss = f(params, x_batch, y_batch)
        d_loss_wrt_params = ...        # compute gradient
        params -= learning_rate * d_loss_wrt_params
        if <stopping condition is met>:
            return params

The data lie in shared variables; the compiled functions take the number of a minibatch.
"""

import numpy as np

import symgrad as sg
import symgrad.tensor as T

train, valid, test = sg.datasets.digits()
batch_size = 20
learning_rate = 0.3

index = T.lscalar("index")
x = T.fmatrix("x")
y = T.ivector("y")
W = sg.shared(np.zeros((64, 10), dtype="float32"), name="W")
b = sg.shared(np.zeros(10, dtype="float32"), name="b")

p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
NLL = -T.sum(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
loss = NLL / np.float32(batch_size)
errors = T.mean(T.neq(T.argmax(p_y_given_x, axis=1), y))


def minibatch(data):
    """Minibatch number `index` of a data set, in place of x and y."""
    rows = slice(index * batch_size, (index + 1) * batch_size)
    return {x: sg.shared(data.x)[rows], y: sg.shared(data.y)[rows]}


updates = sg.updates.sgd(loss, [W, b], learning_rate)
train_model = sg.function([index], loss, updates=updates, givens=minibatch(train))
validate_model = sg.function([index], errors, givens=minibatch(valid))
test_model = sg.function([index], errors, givens=minibatch(test))


def error_rate(model, data):
    return np.mean([model(i) for i in range(len(data.x) // batch_size)])


n_batches = len(train.x) // batch_size
print(f"Minibatch SGD, {n_batches} minibatches of {batch_size} digits, "
      f"learning rate {learning_rate}:")
# Early stopping: look at `patience` minibatches at least, and at twice as many as
# the last clear improvement took.
patience, best, iteration = 2000, np.inf, 0
while iteration < patience:
    losses = [train_model(i) for i in range(n_batches)]
    iteration += n_batches
    error = error_rate(validate_model, valid)
    if error < 0.995 * best:
        best, patience = error, max(patience, 2 * iteration)
        print(f"  after {iteration:5d} minibatches: loss {np.mean(losses):.4f}, validation error "
              f"{100 * error:.2f} %, test error {100 * error_rate(test_model, test):.2f} %")
print(f"Stopped after {iteration} minibatches: best validation error {100 * best:.2f} %")
