"""Pure stochastic gradient descent: every step looks at a single example.

    for (x_i, y_i) in training_set:
        loss = f(params, x_i, y_i)
        d_loss_wrt_params = ...        # compute gradient
        params -= learning_rate * d_loss_wrt_params
        if <stopping condition is met>:
            return params
"""

import numpy as np

import symgrad as sg
import symgrad.tensor as T

(train_x, train_y), (valid_x, valid_y), (test_x, test_y) = sg.datasets.digits()
learning_rate = 0.05

x = T.fmatrix("x")
y = T.ivector("y")
W = sg.shared(np.zeros((64, 10), dtype="float32"), name="W")
b = sg.shared(np.zeros(10, dtype="float32"), name="b")

p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
NLL = -T.sum(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
errors = T.mean(T.neq(T.argmax(p_y_given_x, axis=1), y))

# A slice of one row keeps x a matrix and y a vector.
training_set = [(train_x[i : i + 1], train_y[i : i + 1]) for i in range(len(train_x))]

step = sg.function([x, y], NLL, updates=sg.updates.sgd(NLL, [W, b], learning_rate))
error_rate = sg.function([x, y], errors)

print(f"Stochastic gradient descent, one of {len(train_x)} digits a step, "
      f"learning rate {learning_rate}:")
best = np.inf
for epoch in range(1, 21):
    loss = 0.0
    for x_i, y_i in training_set:
        loss += step(x_i, y_i)
    error = error_rate(valid_x, valid_y)
    print(f"  epoch {epoch:2d}: mean loss {loss / len(training_set):.4f}, "
          f"validation error {100 * error:.2f} %")
    if error >= best and epoch >= 5:  # stopping condition: no better than the epochs before
        break
    best = min(best, error)
print(f"Stopped after {epoch * len(training_set)} steps: "
      f"test error {100 * error_rate(test_x, test_y):.2f} %")
