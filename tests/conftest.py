"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

# A property is no stopwatch: how fast examples are made says more of the machine than of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

pytest_plugins = ["pytester"]


def pytest_configure():
    """Let Ctrl-C be tested where the suite itself was started in the background, deaf to it, and so its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
