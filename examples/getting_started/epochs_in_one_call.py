"""A whole epoch of stochastic gradient descent in one call.

The data lie in shared variables, and the training function takes the number of an example:

    losses = train_model.run(order)        # the losses of train_model(i) for each i in order

goes through them in machine code, if the backend makes any, and gives the numbers of a loop in
Python.
"""

import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T

train, valid, test = sg.datasets.digits()
learning_rate = 0.02
rng = np.random.default_rng(1234)

index = T.lscalar("index")
x, y = sg.shared(train.x, name="x"), sg.shared(train.y.astype("int64"), name="y")
W = sg.shared(np.zeros((64, 10), dtype="float32"), name="W")
b = sg.shared(np.zeros(10, dtype="float32"), name="b")

p_y_given_x = T.nnet.softmax(T.dot(x[index], W) + b)
loss = -T.log(p_y_given_x)[0, y[index]]
train_model = sg.function([index], loss, updates=sg.updates.sgd(loss, [W, b], learning_rate))

images, labels = T.fmatrix("images"), T.lvector("labels")
errors = T.mean(T.neq(T.argmax(T.dot(images, W) + b, axis=1), labels))
error_rate = sg.function([images, labels], errors)

print(f"Stochastic gradient descent, an epoch of {len(train.x)} shuffled digits a call:")
seconds = time.perf_counter()
for epoch in range(1, 11):
    losses = train_model.run(rng.permutation(len(train.x)))
    error = error_rate(valid.x, valid.y)
    print(f"  epoch {epoch:2d}: mean loss {losses.mean():.4f}, "
          f"validation error {100 * error:.2f} %")
seconds = time.perf_counter() - seconds

# Or with a look at the loss now and then; a callback that returns False ends the loop.
mean = train_model.over(index=range(len(train.x)), reduce="mean", every=400,
                        callback=lambda done, now: print(f"  after {done:4d}: loss {now:.4f}"))
print(f"One more in order: mean loss {mean:.4f}; ten epochs took {seconds:.2f} s")
print(f"Stopped after {11 * len(train.x)} steps: "
      f"test error {100 * error_rate(test.x, test.y):.2f} %")
