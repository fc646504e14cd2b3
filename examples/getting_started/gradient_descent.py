"""Gradient descent: every step looks at the whole training set.

    while True:
        loss = f(params)
        d_loss_wrt_params = ...        # compute gradient
        params -= learning_rate * d_loss_wrt_params
        if <stopping condition is met>:
            return params
"""

import numpy as np

import symgrad as sg
import symgrad.tensor as T

(train_x, train_y), (valid_x, valid_y), (test_x, test_y) = sg.datasets.digits()
learning_rate = 0.5

x = T.fmatrix("x")
y = T.ivector("y")
W = sg.shared(np.zeros((64, 10), dtype="float32"), name="W")
b = sg.shared(np.zeros(10, dtype="float32"), name="b")

p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
# NLL is a symbolic variable; to get its value, it has to be compiled into a function.
NLL = -T.sum(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
loss = NLL / train_x.shape[0]
errors = T.mean(T.neq(T.argmax(p_y_given_x, axis=1), y))

params = [W, b]
d_loss_wrt_params = T.grad(loss, params)
updates = [(p, p - np.float32(learning_rate) * g)
           for p, g in zip(params, d_loss_wrt_params, strict=True)]

step = sg.function([x, y], loss, updates=updates)
error_rate = sg.function([x, y], errors)

print(f"Gradient descent on {len(train_x)} digits of 8 x 8 pixels, learning rate {learning_rate}:")
before, steps = np.inf, 0
while True:
    value = step(train_x, train_y)
    if steps % 50 == 0:
        print(f"  step {steps:4d}: loss {value:.6f}, "
              f"validation error {100 * error_rate(valid_x, valid_y):.2f} %")
    steps += 1
    if before - value < 1e-4:  # stopping condition: the loss hardly falls any more
        break
    before = value
print(f"Stopped after {steps} steps, loss {value:.6f}: "
      f"test error {100 * error_rate(test_x, test_y):.2f} %")
