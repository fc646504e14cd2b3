"""Derivatives by dispatch: cotangents, connection, broadcasting, masks, both modes (derive.py)."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.config import options
from symgrad.derive import backward, forward, jvp, vjp
from symgrad.errors import NoDerivative
from symgrad.families import composite, define, elementwise
from symgrad.interpret import evaluate
from symgrad.node import Node, constant, toposort, variable
from symgrad.types import Type

ONE = constant(np.float64(1))


def at(node, values=None):
    """Its value; inputs that it does not depend on may be given."""
    below = toposort([node])
    return evaluate(node, {x: v for x, v in (values or {}).items() if x in below})


def slopes(cost, wrt, **options):
    return backward([cost], [constant(np.ones((), cost.dtype))], wrt, **options)


def test_connected_without_slope_is_zeros_and_unconnected_is_none():
    x, y, z = (T.dscalar(n) for n in "xyz")
    gx, gy, gz = slopes(x * 2 + T.floor(y), [x, y, z])
    assert gz is None
    assert at(gx) == 2 and at(gy, {y: 1.5}) == 0
    assert slopes(T.floor(T.exp(y)), [y])[0] is not None


def test_a_comparison_connects():
    x = T.dvector("x")
    (g,) = slopes(T.sum(T.gt(x, 0)), [x])
    assert evaluate(g, {x: [1.0, 2.0]}).tolist() == [0, 0]


def test_integers_get_float_zeros():
    i, x = T.lvector("i"), T.fvector("x")
    gi, gx = slopes(T.sum(i * x), [i, x])
    assert gi.dtype == "float64" and gx.dtype == "float32"
    assert evaluate(gx, {i: [2, 3], x: [0, 0]}).tolist() == [2, 3]
    assert at(gi, {i: [2, 3]}).tolist() == [0, 0]


def test_a_node_used_twice_adds_up():
    x = T.dscalar("x")
    y = T.exp(x)
    assert evaluate(slopes(y * y + y, [x])[0], {x: 0.0}) == 3


def test_wrt_may_be_intermediate_and_below_another():
    x = T.dscalar("x")
    y = x * x
    z = y * 3
    gz, gy, gx = slopes(z * z, [z, y, x])
    given = {x: 2.0}
    assert [float(evaluate(g, given)) for g in (gz, gy, gx)] == [24, 72, 288]
    assert evaluate(slopes(z, [z])[0]) == 1


def test_nothing_flows_through_constants():
    x = T.dscalar("x")
    y = x * x
    assert evaluate(slopes(y * x, [x], constant=[y])[0], {x: 3.0}) == 9


def test_several_outputs():
    x = T.dscalar("x")
    (g,) = backward([x * 2, x * x], [ONE, constant(10.0)], [x])
    assert evaluate(g, {x: 3.0}) == 62
    (g,) = backward([x * 2, x], [None, ONE], [x])
    assert evaluate(g) == 1


@pytest.mark.parametrize("known", [True, False])
def test_broadcast_operands_get_their_own_shape_back(known):
    shapes = [(3, 4), (4,), (1, 4), (3, 1), (), (1, 1, 1)]
    types = [Type("float64", tuple(d if known or d == 1 else None for d in s)) for s in shapes]
    wrt = [variable(t) for t in types]
    cost = T.sum(sum(wrt[1:], wrt[0]) * 2)
    given = {v: np.ones(s) for v, s in zip(wrt, shapes, strict=True)}
    for g, s in zip(slopes(cost, wrt), shapes, strict=True):
        got = at(g, given)
        assert got.shape == s and np.all(got == 24 / max(np.prod(s), 1))


def test_dtypes_of_mixed_operands():
    x, y = T.fscalar("x"), T.dscalar("y")
    gx, gy = slopes(x * y, [x, y])
    assert gx.dtype == "float32" and gy.dtype == "float64"


def test_a_real_input_of_a_complex_expression_gets_a_real_gradient():
    x, z = T.dvector("x"), T.zvector("z")
    gx, gz = slopes(T.sum(T.real(x * z)), [x, z])
    assert gx.dtype == "float64" and gz.dtype == "complex128"
    assert at(gx, {z: np.array([2 + 5j]), x: [1.0]}) == [2]


def test_derivatives_point_at_the_line_they_derive():
    x = T.dscalar("x")
    y = T.exp(x * 3)
    (g,) = slopes(y, [x])
    assert {n.origin for n in toposort([g]) if n.inputs} <= {y.origin, y.inputs[0].origin}


# -- masks


def test_strong_zeros_start_below_a_where_and_end_at_a_contraction():
    x, w = T.dvector("x"), T.dmatrix("w")
    inside = T.log(x)
    (g,) = slopes(T.sum(T.where(x > 0, inside, 0)), [x])
    given = {x: np.array([0.0, 2.0])}
    assert evaluate(g, given).tolist() == [0, 0.5]
    assert "strong_mul" in {n.op.name for n in toposort([g])}
    with options(strong_zeros=False):
        (plain,) = slopes(T.sum(T.where(x > 0, inside, 0)), [x])
    assert np.isnan(evaluate(plain, given)[0])
    (below,) = slopes(T.sum(T.where(T.dot(x, w) > 0, T.dot(T.exp(x), w), 0)), [x])
    assert "strong_mul" not in {n.op.name for n in toposort([below])}


def test_plain_multiplication_without_a_where():
    x = T.dscalar("x")
    assert "strong_mul" not in {n.op.name for n in toposort(slopes(T.log(x) * x, [x]))}


# -- forward mode


def test_forward_mode_follows_only_what_moves():
    x, y = T.dscalar("x"), T.dscalar("y")
    out, still = forward([T.sin(x) * y, y * 2], [x], [ONE])
    assert evaluate(out, {x: 0.0, y: 3.0}) == 3 and still is None


def test_forward_mode_of_a_sum_of_broadcast_operands_has_the_full_shape():
    x, y = T.dvector("x"), T.dmatrix("y")
    (t,) = forward([x + y], [x], [T.ones_like(x)])
    got = evaluate(t, {x: np.zeros(3), y: np.zeros((2, 3))})
    assert t.ndim == 2 and got.shape == (2, 3) and np.all(got == 1)


# -- ops of a user's own


def test_an_op_without_a_derivative_says_so():
    @define("opaque", infer=lambda types: types[0])
    def strange(x):
        """No derivative."""
        return np.asarray(x)

    x = T.dscalar("x")
    with pytest.raises(NoDerivative, match=r"(?s)strange has no derivative.*test_derive.py"):
        slopes(strange(x) * 2, [x])
    assert slopes(strange(x) + T.dscalar(), [T.dscalar()]) == [None]


def test_a_rule_given_by_the_user_wins():
    @composite()
    def square(x):
        """x * x, with a derivative of its own."""
        return x * x

    @square.vjp
    def _(g, out, x):
        return [g * 100]

    x = T.dscalar("x")
    assert evaluate(slopes(square(x), [x])[0]) == 100
    assert evaluate(jvp(square(x), [constant(2.0)])) == 200


def test_forward_mode_from_reverse_mode_alone():
    @define("opaque", infer=lambda types: types[0])
    def doubled(x):
        """2 x, with a vjp only."""
        return np.asarray(x) * 2

    @doubled.vjp
    def _(g, out, x):
        return [doubled(g)]

    x = T.dvector("x")
    assert evaluate(jvp(doubled(x), [constant(np.array([1.0, 5.0]))])).tolist() == [2, 10]


def test_slopes_may_be_numbers_nodes_and_none():
    @elementwise(slopes=lambda x, y, z, out: (3, None, 0))
    def odd_one(x, y, z):
        """3 x."""
        return 3 * x + 0 * (y + z)

    x, y, z = (T.dscalar(n) for n in "xyz")
    gx, gy, gz = slopes(odd_one(x, y, z), [x, y, z])
    assert evaluate(gx) == 3 and gy is None and isinstance(gz, Node)


def test_vjp_gives_one_entry_for_each_input():
    x = T.dvector("x")
    found = vjp(x[1:] * 2, T.dvector("g"))
    assert len(found) == 2 and isinstance(found[0], Node)


def test_deep_graphs_are_differentiated_without_recursion():
    x = node = T.dscalar("x")
    for _ in range(20_000):
        node = node * 1.0001
    (g,) = slopes(node, [x])
    assert evaluate(g) == pytest.approx(1.0001**20_000)
    assert forward([node], [x], [ONE])[0].height >= 20_000


@pytest.mark.parametrize("wrong, words", [
    (lambda x, z: sg.grad(z, x, disconnected_inputs="rais"), "grad: disconnected_inputs must be"),
    (lambda x, z: sg.grad(z, x, disconnected_inputs=None), "grad: disconnected_inputs must be"),
    (lambda x, z: sg.Rop(z, x, x, disconnected_outputs="no"), "Rop: disconnected_outputs must be"),
    (lambda x, z: sg.Rop(z, x, x, return_disconnected="nil"), "Rop: return_disconnected must be"),
    (lambda x, z: sg.jacobian(z, x, None, "rais"), "jacobian: disconnected_inputs must be"),
    (lambda x, z: sg.jacobian(3.0, x), "jacobian: .* must be symbolic variables, not float"),
    (lambda x, z: sg.hessian(z, [x, "x"]), "hessian: .* must be symbolic variables, not str"),
    (lambda x, z: sg.Rop(z, 3, x), "Rop: .* must be symbolic variables, not int"),
    (lambda x, z: sg.grad(z, x, consider_constant=[2]), "grad: consider_constant must be symbolic"),
    (lambda x, z: sg.grad(None, x, known_grads={"z": 1}), "grad: the keys of known_grads must be"),
])
def test_wrong_words_and_values_are_refused(wrong, words):
    x = T.dvector("x")
    with pytest.raises(TypeError, match=words):
        wrong(x, (x ** 2).sum())


def test_words_in_capitals_mean_the_same():
    x, y = T.dscalar("x"), T.dscalar("y")
    with pytest.raises(ValueError, match="does not depend on y"):
        sg.grad(x ** 2, y, disconnected_inputs="RAISE")
    assert sg.grad(x ** 2, y, disconnected_inputs="Ignore", return_disconnected="None") is None
