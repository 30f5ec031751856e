"""`python -m symdiff`: the command line."""

from symdiff.cli import main

main(prog_name="symdiff")
