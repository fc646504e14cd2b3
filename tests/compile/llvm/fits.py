"""Where the numbers of `symgrad/compile/backends/llvm/fits.py` come from: minimax polynomials.

Run as a program it prints that file: ``python tests/compile/llvm/fits.py > …/llvm/fits.py``.  Every
fit is made by Remez' exchange on a grid, with mpmath; its coefficients are rounded one after the
other, the rest being fitted again each time.  `FITS` says what is approximated, where, and how the
error counts: such that it is the error of the function that is computed, in relation to its value.
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60
LN2, HALF_TURN = mp.log(2), mp.pi / 4 + mp.mpf("0.006")
Z = HALF_TURN**2


def of_square(g):
    """A function of x as a function of x**2; the limit at 0 is taken nearby."""
    return lambda z: g(mp.sqrt(z)) if z > mp.mpf(10) ** -20 else g(mp.mpf(10) ** -10)


def safe(g):
    return lambda r: g(r if abs(r) > mp.mpf(10) ** -12 else mp.mpf(10) ** -12)


# name: (function, from, to, weight, {kind of arithmetic: number of coefficients})
FITS = {
    "exp": (safe(lambda r: (mp.expm1(r) - r) / r**2), -LN2 * 0.503, LN2 * 0.503, abs,
            {"float": 5, "short": 6, "double": 11}),
    "log1p": (safe(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3), -0.25, 0.5,
              lambda f: f * f, {"float": 9, "short": 11, "double": 20}),
    "tanh": (of_square(lambda x: (mp.tanh(x) - x) / x**3), 0, 0.3026, lambda z: z,
             {"float": 5, "double": 11}),
    "sin": (of_square(lambda x: (mp.sin(x) - x) / x**3), 0, Z, lambda z: z,
            {"float": 3, "double": 6}),
    "cos": (of_square(lambda x: (mp.cos(x) - 1 + x * x / 2) / x**4), 0, Z, lambda z: z * z,
            {"float": 3, "double": 6}),
    "tan": (of_square(lambda x: (mp.tan(x) - x) / x**3), 0, Z, lambda z: z,
            {"float": 6, "double": 14}),
    "atan": (of_square(lambda x: (mp.atan(x) - x) / x**3), 0, 1, lambda z: z,
             {"float": 8, "short": 11, "double": 21}),
    "asin": (of_square(lambda x: (mp.asin(x) - x) / x**3), 0, 0.25, lambda z: z,
             {"float": 5, "double": 13}),
    "sinh": (of_square(lambda x: (mp.sinh(x) - x) / x**3), 0, (LN2 * 0.503)**2, lambda z: z,
             {"double": 5}),
    "cosh": (of_square(lambda x: (mp.cosh(x) - 1) / x**2), 0, (LN2 * 0.503)**2, lambda z: z,
             {"double": 6}),
    "cbrt": (lambda r: 1 / mp.cbrt(r), 0.9, 1.11, lambda r: 1, {"double": 5}),
    "pow": (of_square(lambda s: ((mp.atanh(s) * 2 / s - 2) / s**2 - mp.mpf(2) / 3) / s**2),
            0, 0.0401, lambda z: z * z, {"double": 8}),
}


class Fit:
    """The weighted minimax polynomial of a function on a grid; some coefficients may be given."""

    def __init__(self, g, low, high, weight, count):
        low, high, many = mp.mpf(low), mp.mpf(high), 40 * (count + 2)
        self.x = [(low + high) / 2 + (low - high) / 2 * mp.cos(mp.pi * (k + mp.mpf(1) / 2) / many)
                  for k in range(many)]
        self.y, self.w = [g(x) for x in self.x], [weight(x) for x in self.x]
        self.w = [w + max(self.w) / 1000 for w in self.w]  # no point may count nothing
        self.count = count

    def fit(self, given):
        """(coefficients, greatest weighted error)."""
        free, x, w = self.count - len(given), self.x, self.w
        y = [v - mp.polyval(given[::-1] or [0], t) for v, t in zip(self.y, x, strict=True)]
        n = free + 1
        inner = [(1 - mp.cos(mp.pi * k / (n - 1))) / 2 if n > 1 else 1 for k in range(n)]
        inner = [mp.mpf(u) ** 0.8 * 0.99 + 0.01 for u in inner]  # not symmetric: odd powers
        at = [min(range(len(x)), key=lambda j, u=u: abs(x[j] - x[0] - u * (x[-1] - x[0])))
              for u in inner]
        best, worst = None, mp.inf
        for _ in range(30):
            rows = [[w[k] * x[k] ** (len(given) + j) for j in range(free)] + [(-1) ** i]
                    for i, k in enumerate(at)]
            try:
                c = list(mp.lu_solve(mp.matrix(rows), mp.matrix([w[k] * y[k] for k in at])))
            except ZeroDivisionError:
                break
            level = abs(c.pop())
            e = [w[k] * (y[k] - x[k] ** len(given) * mp.polyval(c[::-1] or [0], x[k]))
                 for k in range(len(x))]
            if max(map(abs, e)) < worst:
                best, worst = c, max(map(abs, e))
            if worst <= level * (1 + mp.mpf("1e-3")):
                break
            at = self.exchange(e, n)
        return [*given, *best], worst

    @staticmethod
    def exchange(e, n):
        """The n greatest errors of alternating signs, in order."""
        peaks = []
        for k, v in enumerate(e):
            if v == 0:
                continue
            if peaks and (e[peaks[-1]] > 0) == (v > 0):
                if abs(v) > abs(e[peaks[-1]]):
                    peaks[-1] = k
            else:
                peaks.append(k)
        while len(peaks) > n:
            peaks.pop(0 if abs(e[peaks[0]]) < abs(e[peaks[-1]]) else -1)
        return peaks if len(peaks) == n else [round(k * (len(e) - 1) / max(n - 1, 1))
                                              for k in range(n)]

    def rounded(self, kind):
        """(coefficients as numbers of a kind, greatest weighted error of the polynomial)."""
        given = []
        if kind != "float":
            given = [mp.mpf(float(c)) for c in self.fit([])[0]]
        while len(given) < self.count:
            given.append(mp.mpf(float(np.float32(self.fit(given)[0][len(given)]))))
        e = [w * (y - mp.polyval(given[::-1], x))
             for x, y, w in zip(self.x, self.y, self.w, strict=True)]
        return [float(c) for c in given], max(map(abs, e))


def main():
    print('"""Coefficients of polynomials, made by tests/compile/llvm/fits.py; the comment is the '
          'error."""\n\nFITS = {')
    for name, (g, low, high, weight, sizes) in FITS.items():
        for kind, count in sizes.items():
            c, worst = Fit(g, low, high, weight, count).rounded(kind)
            print(f"{name} {kind} {count}: 2**{float(mp.log(worst, 2)):.1f}", file=sys.stderr)
            print(f'    ("{name}", "{kind}"): (  # 2**{float(mp.log(worst, 2)):.1f}')
            for v in c:
                print(f"        {v!r},")
            print("    ),")
    print("}")


if __name__ == "__main__":
    main()
