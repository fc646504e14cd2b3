"""``x[key]`` in all of NumPy's forms: from Python's keys to `subtensor` and `gather`.

New axes, and axes that NumPy puts elsewhere than the raw op does, are made by `unsqueeze` and
`transpose` around it.
"""

from __future__ import annotations

import numpy as np

from symgrad import origin
from symgrad.errors import IndexingError
from symgrad.node import CONST, Node, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.index import FULL, Slice, gather, layout, nonzero, outside, subtensor, vectors
from symgrad.ops.lengths import length, make_vector
from symgrad.ops.shape import transpose, unsqueeze
from symgrad.types import clash, kind_of


def getitem(x, key):
    """``x[key]`` for every key that NumPy takes, but for bools without axes.

    Integers and the bounds of slices may be symbolic scalars, integer arrays and boolean masks
    symbolic tensors.  A list that contains slices counts as a tuple.  Integers and slices give
    views, arrays and masks copies.  IndexingError for an index out of range (at once where the
    length is known, else when the value is computed) and for keys that are no index.

    >>> x = as_node(np.arange(6.0).reshape(2, 3))
    >>> x[1, ::-1].eval(), x[-1, [0, 0]].eval(), x[x > 3].eval()
    (array([5., 4., 3.]), array([3., 3.]), array([4., 5.]))
    """
    x = as_node(x)
    if isinstance(key, list):
        if any(k is None or k is Ellipsis or isinstance(k, slice) for k in key):
            key = tuple(key)
    items = [read_item(x, k) for k in (key if isinstance(key, tuple) else (key,))]
    if x.op is make_vector and len(items) == 1:
        known = part_of_vector(x, items[0])
        if known is not None:
            return known
    items = spread_out(x, items)
    fancy = any(isinstance(item, Node) and item.type.ndim for item in items)
    idx, inputs, plan = [], [], []
    for item in items:
        if item is None or item is Ellipsis:
            plan.append(item)
        elif isinstance(item, Slice):
            plan.append(("x", len(idx)))
            idx.append(Slice(*["@" if isinstance(p, Node) else p for p in item]))
            inputs += [p for p in item if isinstance(p, Node)]
        elif fancy:
            arrays = index_arrays(x, item, len(idx))
            plan += ["#"] * len(arrays)
            idx += ["#"] * len(arrays)
            inputs += arrays
        else:
            idx.append("@" if isinstance(item, Node) else item)
            inputs += [item] if isinstance(item, Node) else []
    y = (gather if fancy else subtensor).of(x, *inputs, idx=tuple(idx))
    return arrange(y, plan)


# -- reading a key


def refuse(sentence, *nodes, hint=None):
    """The error of a key that makes no sense, with the lines of the tensors in it."""
    return IndexingError(origin.report(f"indexing: {sentence}", nodes, origin.caller(), hint))


def read_item(x, item):
    """One item of a key as None, Ellipsis, an int, a `Slice`, or an integer or boolean node."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        parts = item.start, item.stop, item.step
        return Slice(*[None if p is None else read_bound(x, p) for p in parts])
    if isinstance(item, bool | np.bool_):
        raise refuse(f"{item} is no index", x, hint="use 0 or 1, T.switch, or a mask with axes")
    if isinstance(item, int | np.integer):
        return int(item)
    if not isinstance(item, Node):
        item = as_node(item) if holds_nodes(item) else constant_index(x, item)
    if kind_of(item.type.dtype) not in "biu":
        raise refuse(f"an index must be an integer or a bool, not {item.type!r}", x, item,
                     hint="cast it: T.cast(index, 'int64')")
    if item.type.ndim:
        return item
    if item.type.dtype == "bool":
        raise refuse("a bool without axes is no index", x, item,
                     hint="use T.switch, or a mask with an axis")
    return int(item.data) if item.op is CONST else cast_node(item, "int64")


def holds_nodes(item):
    if isinstance(item, list | tuple):
        return any(holds_nodes(i) for i in item)
    return isinstance(item, Node)


def constant_index(x, item):
    try:
        array = np.asarray(item)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if array.size == 0 and array.dtype.kind == "f":  # as NumPy treats []
        array = array.astype("int64")
    if array.dtype.kind not in "biu":
        raise refuse(f"{item!r:.60} is no index; an index is an integer, a slice, None, ..., or an "
                     "array or tensor of integers or bools", x)
    return constant(array)


def read_bound(x, part):
    found = read_item(x, part)
    if isinstance(found, int) or isinstance(found, Node) and not found.type.ndim:
        return found
    raise refuse(f"a slice's bound must be an integer scalar, not {part!r:.60}", x)


def part_of_vector(x, item):
    """x[item] of a vector made of scalars, such as ``x.shape``, without the vector; or None."""
    count = len(x.inputs)
    if isinstance(item, int):
        return x.inputs[item] if -count <= item < count else None
    if not isinstance(item, Slice) or item.step == 0 or any(isinstance(p, Node) for p in item):
        return None
    parts = x.inputs[slice(*item)]
    return make_vector.of(*parts) if parts else constant(np.zeros(0, x.type.dtype))


def is_mask(item):
    return isinstance(item, Node) and item.type.dtype == "bool"


def spread_out(x, items):
    """The items with the axes that the ellipsis (or the end) stands for written out after it."""
    dots = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise refuse("only one '...' can stand in an index", x)
    used = sum(item.type.ndim if is_mask(item) else item is not None and item is not Ellipsis
               for item in items)
    ndim = x.type.ndim
    if used > ndim:
        raise refuse(f"too many indices: {used} for {ndim} dimension{'s' * (ndim != 1)}", x)
    at = dots[0] + 1 if dots else len(items)
    return [*items[:at], *[FULL] * (ndim - used), *items[at:]]


# -- index arrays


def index_arrays(x, item, axis):
    """The integer arrays that an item of a key is, where arrays are among its items."""
    n = x.type.shape[axis]
    if is_mask(item):
        return mask_indices(x, item, axis)
    if isinstance(item, int):
        item = constant(item, dtype="int64")
    if item.op is CONST and isinstance(n, int) and item.data.size:
        low, high = int(item.data.min()), int(item.data.max())
        if low < -n or high >= n:
            raise refuse(outside(low if low < -n else high, axis, n), x)
        if low < 0:
            item = constant(np.asarray(item.data, "int64") % n)
    return [item]


def mask_indices(x, mask, axis):
    """Where a mask is true, an index array for each of its axes.  Its lengths are checked against
    those of x: here, or when the indices are computed."""
    wanted = x.type.shape[axis:axis + mask.type.ndim]
    for k, (a, b) in enumerate(zip(mask.type.shape, wanted, strict=True)):
        if clash(a, b):
            raise refuse(f"a boolean mask of length {a} (its axis {k}) cannot index an axis of "
                         f"length {b}", x, mask)
    if all(a is not None and a == b for a, b in zip(mask.type.shape, wanted, strict=True)):
        if mask.op is CONST:
            return [constant(i) for i in np.nonzero(mask.data)]
        return vectors(nonzero.of(mask))
    return vectors(nonzero.of(mask, *[length.of(x, axis=axis + k) for k in range(len(wanted))]))


def arrange(y, plan):
    """The axes of a raw result where `plan` wants them: it has the axes of x that were kept, None
    for a new axis, ``"#"`` where an index array stood, and the ellipsis."""
    idx = y.attrs[0]
    width = y.type.ndim - sum(isinstance(entry, Slice) for entry in idx)
    marks = [k for k, p in enumerate(plan) if p == "#"]
    wanted = [p for p in plan if p != "#" and p is not Ellipsis]
    if marks:  # a new axis or an ellipsis between arrays separates them, too
        together = marks[-1] - marks[0] + 1 == len(marks)
        at = marks[0] - (Ellipsis in plan[:marks[0]]) if together else 0
        wanted[at:at] = [("#", d) for d in range(width)]
    have = layout(idx, width)
    order = tuple([have.index(p) for p in wanted if p is not None])
    if order != tuple(range(len(order))):
        y = transpose.of(y, axes=order)
    new = tuple([k for k, p in enumerate(wanted) if p is None])
    return unsqueeze.of(y, axes=new) if new else y


FUNCTIONS = (getitem,)
