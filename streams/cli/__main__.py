"""``python -m streams.cli``: the console script, for children started by the supervisor and the demo."""

from streams.cli import main

if __name__ == "__main__":
    main(prog_name="greekstream")
