"""The native backend: a whole plan as one function of machine code, made by LLVM."""
