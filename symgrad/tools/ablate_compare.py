"""What has become worse since an earlier report."""

from __future__ import annotations

from symgrad.tools.ablate_stats import NOTHING

SLOWER = 1.1  # times as long before it is told: two runs were not interleaved
WORSE = 2.0  # times the error
COUNTED = ("nodes", "steps", "kernels", "bytes", "memory")


def regressions(rows, earlier):
    """Sentences on variants that are in both reports.

    Of the whole: a call or a compilation that takes longer (by a tenth or more, and the intervals
    have nothing in common), more nodes, steps, kernels, bytes or memory, a greater error.  Of a
    rule or a pass: that its use is no longer seen, or has turned into harm; that it fails.
    """
    before = {(r["function"], r["name"]): r for r in earlier}
    found = []
    for row in rows:
        old = before.get((row["function"], row["name"]))
        if old is None or not (row["used"] or old["used"]):
            continue
        found += [f"{row['function']}, {row['name']}: {text}" for text in _worse(row, old)]
    return found


def _worse(row, old):
    if row.get("why") and not old.get("why"):
        return [f"fails: {row['why']}"]
    if row["kind"] != "full":
        return _use(row, old)
    found = []
    for key, what in (("ms", "a call"), ("compile_ms", "compiling")):
        if key in row and key in old:
            new, was = row[key], old[key]
            if new["median"] > SLOWER * was["median"] and new["low"] > was["high"]:
                found.append(f"{what} takes {new['median']:.4g} ms, it took {was['median']:.4g}")
    for key in COUNTED:
        if (row.get(key) or 0) > (old.get(key) or 0) and old.get(key) is not None:
            found.append(f"{key} {row[key]:,}, before {old[key]:,}")
    if row.get("error", 0.0) > WORSE * old.get("error", 0.0):
        found.append(f"error {row['error']:.1e}, before {old['error']:.1e} ({row['error_at']})")
    return found


def _use(row, old):
    if row["kind"] not in ("rule", "pass", "family", "all") or old["effect"] != "slower":
        return []
    if not row["used"]:
        return ["is no longer used"]
    if row["effect"] == "slower":
        return []
    was = f"leaving it out took {old['ratio']['median']:.2f} times as long"
    now = {"faster": "makes a call faster", NOTHING: "has no effect that is seen"}
    return [f"{was}, now it {now.get(row['effect'], 'leaves the program as it is')}"]
