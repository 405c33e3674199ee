"""What a client leaves for the test: its work, and on its standard output what it sees of the network."""

import os


def done(message):
    """Leave the mark of work done."""
    handle = os.open(os.environ["MQCHAOS_EFFECTS"], os.O_WRONLY | os.O_APPEND)
    os.write(handle, f"{message}\n".encode())
    os.close(handle)


def say(*words):
    """Say what happened, in one line."""
    print(" ".join(" ".join(words).split()), flush=True)
