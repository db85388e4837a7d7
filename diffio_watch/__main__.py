"""`python -m diffio_watch`."""

from diffio_watch.cli import main

if __name__ == "__main__":
    main()
