"""Recomputes the figures of a run's report from the history that the run left, by the definitions alone.

It knows the two files and nothing of the package: `python tests/e2e/recomputed.py mqchaos-report` goes through all runs
whose directory was kept (those that failed), prints what differs, and exits 1 if anything does.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

NEAR = 2e-6
"""Seconds and shares are told to the millionth."""


def history(path):
    """Return the events of a history, with the plan of each message, by id."""
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    planned = {each["id"]: each for each in events if each["event"] == "Planned"}
    ends = [n for n, each in enumerate(events) if each["event"] == "SettleEnded"]
    events = events[: ends[-1] + 1] if ends else events
    return [each for each in events if each["event"] != "Planned"], planned


class Facts:
    """What happened to each message, gathered in one reading."""

    def __init__(self, events, planned):
        self.events, self.planned = events, planned
        self.zero = next(each["at"] for each in events if each["event"] == "Published")
        self.published, self.effects, self.deliveries = {}, {}, defaultdict(list)
        self.handed_out = defaultdict(list)
        """By the broker, also what died on its way."""
        self.confirmed = set()
        hands = {}
        for place, each in enumerate(events):
            kind, name = each["event"], each.get("message")
            if kind == "Published" and each["passed"]:
                self.published.setdefault(name, self.seconds(each))
            elif kind == "Confirmed":
                self.confirmed.add(name)
            elif kind == "Effected" and name is not None:
                self.effects.setdefault(name, (place, self.seconds(each)))
            elif kind == "Delivered" and name is not None:
                hand = {
                    "place": place,
                    "at": self.seconds(each),
                    "link": each["link"],
                    "end": None,
                    "how": "",
                }
                self.handed_out[name].append(hand)
                if each["passed"]:
                    self.deliveries[name].append(hand)
                hands[each["link"], each["connection"], each["channel"], each["tag"]] = hand
            elif kind in ("Acked", "Nacked", "Rejected"):
                self._settled(each, hands)
            elif kind in ("LinkLost", "ChannelClosed"):
                self._lost(each, hands)

    def _settled(self, event, hands):
        """End an attempt with what the consumer sent, whether or not it reached the broker."""
        hand = hands.get((event["link"], event["connection"], event["channel"], event["tag"]))
        if hand is None:
            return
        hand["end"] = self.seconds(event)
        if event["passed"] and hand["how"] != "lost":  # on a closed channel it settles nothing
            back = event["event"] != "Acked" and event["requeue"]
            hand["how"] = "acked" if event["event"] == "Acked" else "requeued" if back else "dropped"
            hand["back"] = hand["end"] if back else math.inf

    def _lost(self, event, hands):
        """End all attempts of a connection or a channel."""
        lost = [event["link"], event["connection"]]
        lost += [event["channel"]] if event["event"] == "ChannelClosed" else []
        for key, hand in hands.items():
            if list(key[: len(lost)]) == lost and not hand["how"]:
                hand.update(end=hand["end"] or self.seconds(event), how="lost", back=self.seconds(event))

    @property
    def whole(self):
        """Whether the history has its beginning: of one that is too large only the end is kept."""
        return len(self.planned) > 0 and self.handed_out.keys() <= self.planned.keys()

    def seconds(self, event):
        """Return when something happened, in seconds since the first publish."""
        return (event["at"] - self.zero) / 1e9

    def of(self, kind):
        """Return the events of a kind."""
        return [each for each in self.events if each["event"] == kind]


def rank(values, share):
    """Return the smallest value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return next(each for n, each in enumerate(ordered, 1) if n >= share * len(ordered) - 1e-9)


def windows(facts):
    """Return when faults were in force: from a strike that somebody felt to the next heal of it."""
    found = []
    for each in facts.of("FaultFired"):
        heals = [
            (h["at"], h["idle"])
            for h in facts.of("FaultHealed")
            if h["fault"] == each["fault"] and h["at"] >= each["at"]
        ]
        until, idle = min(heals, default=(each["at"], False))
        if each["actor"] != "publisher" and each["changed"] and not idle:
            found.append((facts.seconds(each), (until - facts.zero) / 1e9))
    return found


def latency(facts):
    """Return the waits from publish to first effect: of all messages, of those met by a fault, of the others."""
    waits = {"all": [], "inside": [], "outside": []}
    for name, (_, done) in facts.effects.items():
        sent = facts.published[name]
        met = any(since - NEAR <= done and sent <= until + NEAR for since, until in windows(facts))
        waits["all"].append(done - sent)
        waits["inside" if met else "outside"].append(done - sent)
    return waits


def chain(facts):
    """Return the steps of the messages' lives and the expected deliveries, by walking the chain forward.

    It is for runs in which nothing is dead-lettered: ready, in flight, requeued, and two ends.
    """
    steps = Counter()
    for name in facts.published:
        hands = facts.handed_out[name]
        assert hands[-1]["how"] == "acked", (name, hands)
        steps["ready", "in_flight"] += 1
        for pair in (("in_flight", "requeued"), ("requeued", "in_flight")):
            steps[pair] += len(hands) - 1
        steps["in_flight", "acknowledged"] += 1
    steps = +steps
    left = Counter()
    for (origin, _), count in steps.items():
        left[origin] += count
    where, expected = {"ready": 1.0}, 0.0
    while sum(where.values()) > 1e-12:
        after = Counter()
        for (origin, target), count in steps.items():
            flow = where.get(origin, 0.0) * count / left[origin]
            expected += flow if target == "in_flight" else 0.0
            if target in left:
                after[target] += flow
        where = after
    return steps, left, expected


def interval(count, of):
    """Return Wilson's 95 % interval, as the two roots of (p - x)² = z² x (1 - x) / n."""
    z2, p = 1.959963984540054**2, count / of
    a, b, c = 1 + z2 / of, -(2 * p + z2 / of), p * p
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return max((-b - root) / (2 * a), 0.0), min((-b + root) / (2 * a), 1.0)


def queue(facts):
    """Return λ, μ, and the mean wait before the work, one message of a consumer after the other."""
    free, waits, services = {}, [], []
    for name, (place, done) in sorted(facts.effects.items(), key=lambda item: item[1]):
        had = [hand for hand in facts.deliveries[name] if hand["place"] < place][-1]
        begun = min(max(had["at"], free.get(had["link"], 0.0), facts.published[name]), done)
        free[had["link"]] = max(done, free.get(had["link"], 0.0))
        waits.append(begun - facts.published[name])
        services.append(done - begun)
    came = sorted(facts.published.values())
    return (len(came) - 1) / (came[-1] - came[0]), 1 / statistics.fmean(services), statistics.fmean(waits)


def pauses(facts):
    """Return the times between the end of an attempt and the next, by its number."""
    found = defaultdict(list)
    for hands in facts.deliveries.values():
        for number in range(1, len(hands)):
            before = hands[number - 1]
            ended = before["at"] if before["end"] is None else before["end"]
            found[number + 1].append(max(hands[number]["at"] - ended, 0.0))
    return found


def overtaken(facts, by):
    """Return the numbers of messages that a later one overtook, and of those that went back first."""
    keys = defaultdict(list)
    for name in facts.published:
        plan = facts.planned[name]
        keys[json.loads(bytes.fromhex(plan["body"]["hex"]))[by]].append(name)
    late, excused = set(), set()
    for names in keys.values():
        for n, name in enumerate(names):
            place, at = facts.effects[name]
            if any(facts.effects[later][0] < place for later in names[n + 1 :]):
                before = [hand for hand in facts.handed_out[name] if hand["place"] < place]
                back = len(before) > 1 or any(hand.get("back", math.inf) < at for hand in before)
                (excused if back else late).add(facts.planned[name]["number"])
    return late, excused


class Compared:
    """Notes what of a report differs from what was recomputed."""

    def __init__(self):
        self.looked, self.wrong = 0, []

    def same(self, what, told, found):
        """Compare two values; numbers to the last digit that is told."""
        self.looked += 1
        numbers = isinstance(told, float | int) and isinstance(found, float | int)
        near = numbers and math.isclose(told, found, rel_tol=1e-6, abs_tol=NEAR)
        if not near and told != found:
            self.wrong.append(f"{what}: the report says {told}, the history {found}")


def compare(run, path, by=None):
    """Compare the figures of a run with those of its history; `by` is the field that an order is promised by."""
    facts, made = Facts(*history(path)), Compared()
    if not facts.whole:
        made.wrong.append("only the end of its history was kept: nothing can be recomputed")
        return made
    _latency(made, run, facts)
    _counts(made, run, facts)
    steps, left, expected = chain(facts)
    told = {(each["from"], each["to"]): each for each in run["lifecycle"]["steps"]}
    made.same("steps of the chain", {key: each["count"] for key, each in told.items()}, dict(steps))
    for (origin, target), each in told.items():
        count, of = steps[origin, target], left[origin]
        for name, value in zip(("low", "high"), interval(count, of), strict=True):
            made.same(f"{name} of {origin} to {target}", each[name], value)
    made.same("expected deliveries", run["lifecycle"]["deliveries"], expected)
    names = ("arrival_rate", "service_rate", "wait_measured")
    for name, value in zip(names, queue(facts), strict=True):
        made.same(name, run["queueing"][name], value)
    made.same("Little's wait", run["queueing"]["wait_little"], queue(facts)[2])
    waits = pauses(facts)
    made.same("attempts", [each["attempt"] for each in run["pauses"]], sorted(waits))
    for each in run["pauses"]:
        values = waits.get(each["attempt"]) or [math.nan]
        for name, value in (("shortest", min(values)), ("p50", rank(values, 0.5)), ("longest", max(values))):
            made.same(f"{name} before attempt {each['attempt']}", each[name], value)
    if by is not None:
        late, excused = overtaken(facts, by)
        rows = [row for key in run["order"]["told"] for row in key["overtakings"]]
        for state, numbers in (("overtaken", late), ("excused", excused)):
            made.same(f"how many {state}", run["order"][state], len(numbers))
            made.same(state, {row["number"] for row in rows if row["state"] == state}, numbers)
    return made


def _latency(made, run, facts):
    waits = latency(facts)
    for name, values in waits.items():
        told = run["latency"][name]
        made.same(f"messages {name}", told["messages"], len(values))
        for share, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            made.same(f"{share} {name}", told[share], rank(values, level) if values else None)
    for bar in run["latency"]["distribution"]:
        top = math.inf if bar["until"] is None else bar["until"]
        for side in ("inside", "outside"):
            held = sum(bar["from"] < max(each, 1e-12) <= top for each in waits[side])
            made.same(f"bar {bar['from']} {side}", bar[side], held)


def _counts(made, run, facts):
    often = Counter(len(facts.deliveries[name]) for name in facts.published)
    told = {each["deliveries"]: each["messages"] for each in run["deliveries"]}
    made.same("deliveries per message", told, dict(often))
    for each in run["consumers"]:
        for field, kind, who in (
            ("deliveries", "Delivered", "link"), ("acked", "Acked", "link"), ("effected", "Effected", "consumer"),
        ):  # fmt: skip
            seen = [one for one in facts.of(kind) if one[who] == each["name"] and one.get("passed", True)]
            made.same(f"{field} of {each['name']}", each[field], len(seen))
    stored, acked = run["endurance"]["stored"], run["endurance"]["acked"]
    made.same("stored", (stored["count"], stored["of"]), (len(facts.confirmed), len(facts.published)))
    made.same("acked of delivered", acked["of"], sum(bool(hands) for hands in facts.deliveries.values()))
    ends = [hand["at"] for hands in facts.deliveries.values() for hand in hands]
    for fault in run["faults"]:
        struck = [w for w in windows(facts) if abs(w[0] - (fault["at"] or 0)) <= NEAR]
        after = [at for at in ends if struck and at >= struck[0][1] - NEAR]
        made.same("next delivery", fault["resumed"], min(after) - struck[0][1] if after else None)


def main(folder, by=None):
    """Compare all kept runs of a report; returns how many figures were looked at and what differs."""
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    looked, wrong = 0, []
    for run in (each for each in document["runs"] if each.get("kept")):
        made = compare(run, folder / run["kept"] / "history.jsonl", by)
        looked += made.looked
        wrong += [f"{run['nodeid']}: {each}" for each in made.wrong]
    return looked, wrong


if __name__ == "__main__":
    count, differing = main(Path(sys.argv[1]), *sys.argv[2:])
    print(f"{count} figures, {len(differing)} differ", *differing, sep="\n")
    sys.exit(1 if differing or not count else 0)
