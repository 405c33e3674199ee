"""What the end-to-end tests share: how consumers are started, and evidence apart from the plugin's."""

import collections
from pathlib import Path

HERE = Path(__file__).parent
COUNT = 30


def numbers(messages):
    """Return the numbers of messages (lives or ids), sorted: 17 for ``orders-k3f9-000017``."""
    return sorted(int(str(getattr(message, "id", message)).rpartition("-")[2]) for message in messages)


def violations(account):
    """Return the kinds of what the account calls violations."""
    return {finding.kind for finding in account.findings if finding.violation}


def finding(account, kind):
    """Return the only finding of a kind."""
    (found,) = [finding for finding in account.findings if finding.kind == kind]
    return found


def text(account):
    """Return what explains an account, for the message of an assertion."""
    return "\n".join(
        [f"verdict {account.verdict}, seed {account.seed}"]
        + [
            f"{f.kind} {f.detail} violation={f.violation} {numbers(f.messages)} {f.cause}"
            for f in account.findings
        ]
        + [f"hazard {hazard}" for hazard in account.hazards]
    )


def order(n, _rng=None):
    """Return the body of the n-th order: a number that the consumers read."""
    return {"n": n}


class Scene:
    """Starts consumers that keep a diary, declares queues, publishes orders, and settles."""

    def __init__(self, mqchaos, folder):
        self.mqchaos = mqchaos
        self.folder = folder

    def queue(self, queue_type, name="orders", *, arguments=None, **options):
        """Declare a queue of a type."""
        self.mqchaos.queue(name, arguments={"x-queue-type": queue_type, **(arguments or {})}, **options)

    def consumer(self, kind, bug, *, diary="diary", env=None, **options):
        """Start a consumer of ours as a command."""
        env = {"DIARY": str(self.folder / diary), **{k: str(v) for k, v in (env or {}).items()}}
        options.setdefault("name", "worker")
        return self.mqchaos.consumer(["python", "-m", "consumers", kind, bug], cwd=HERE, env=env, **options)

    def forked(self, target, *, diary="diary", env=None, **options):
        """Start a consumer of ours as a callable."""
        env = {"DIARY": str(self.folder / diary), **{k: str(v) for k, v in (env or {}).items()}}
        options.setdefault("name", "worker")
        return self.mqchaos.consumer(target, env=env, **options)

    def publish(self, queue="orders", count=COUNT, **options):
        """Publish numbered orders."""
        options.setdefault("body", order)
        return self.mqchaos.publish(queue, count=count, **options)

    def diary(self, verb, diary="diary"):
        """Return what the consumers noted under a verb."""
        path = self.folder / diary
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ", 1)[0] == verb]

    def done(self, diary="diary"):
        """Return how often each message was worked on, by its number."""
        return collections.Counter(numbers(self.diary("done", diary)))
