"""`python -m analysis`: the same as the command `analysis`."""

from .cli import main

main()
