"""The compiler: intern, rewrite, fuse, lower, plan memory, print code.  `function.py` tells the
story in order."""
