"""``python -m podman_llm``: the same command line, for the daemon's own children."""

from podman_llm.cli.main import main

if __name__ == "__main__":
    main()
