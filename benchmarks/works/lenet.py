"""LeNet of the tutorial: one training call on 100 images."""
from peers import with_numpy, with_symgrad
from peers.works import convolutional
from side_by_side import Work

from works.logistic import batches

SIZE = 100

WORKS = (
    Work("lenet", "LeNet: 20 and 50 filters, 500 hidden units, minibatch of 100",
         lambda: batches(SIZE, 4), lambda: with_numpy.lenet(SIZE, *convolutional()),
         lambda: with_symgrad.lenet(SIZE, *convolutional()), at_most=0.85),
)
