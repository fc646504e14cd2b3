"""Programs and pictures built on the library; `symgrad.tools.cli` is the command line."""
