"""What all tests share."""

import signal

pytest_plugins = ["pytester"]


def pytest_configure():
    """Let Ctrl-C be tested where the suite itself was started in the background, deaf to it, and so its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
