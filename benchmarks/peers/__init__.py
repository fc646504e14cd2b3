"""The same works in symgrad and in what people would use instead, side by side.

`works.py` says what is computed, `frameworks.py` who computes it; each `with_*.py` is one
framework's spelling of the works, and runs in processes of its own (`worker.py`, `fresh.py`).
"""
