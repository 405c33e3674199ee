"""Erlang in a broker that the tests started: settings that no argument or policy reaches, and what a version has."""

import subprocess

_TIMEOUT = 60


def evaluate(broker, expression):
    """Return what an Erlang expression comes to in the broker's VM, as `rabbitmqctl eval` prints it."""
    ground = broker.ground
    if broker.kind == "docker":
        command = ["rabbitmqctl", "-q", "-n", "mqchaos@localhost", "eval", expression]
        code, output = ground._container._container.exec_run(command)
        said = output.decode()
    else:
        ran = subprocess.run(
            [
                str(ground.layout.installation.home / "sbin" / "rabbitmqctl"),
                "-q",
                "-n",
                ground.name,
                "eval",
                expression,
            ],
            env=dict(ground.layout.broker_env(ground.name, ground._ports)),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        code, said = ran.returncode, ran.stdout + ran.stderr
    assert code == 0, said
    return said.strip()
