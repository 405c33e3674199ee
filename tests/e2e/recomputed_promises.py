"""Recomputes what a report says of promises, limits, returns and heartbeats, from the history that the run left.

As `recomputed`, it knows the two files and nothing of the package.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from recomputed import Compared, Facts, history, rank


def compare(run, path):
    """Compare these figures of a run with those of its history."""
    facts, made = Facts(*history(path)), Compared()
    for name, look in (
        ("within", _within), ("prefetch", _prefetch), ("overflow", _overflow), ("returns", _returns),
        ("heartbeats", _heartbeats),
    ):  # fmt: skip
        if run[name] is not None:
            look(made, run[name], facts)
    return made


def _within(made, told, facts):
    """The time from the first publication of each message to its first effect."""
    took = sorted(done - facts.published[name] for name, (_, done) in facts.effects.items())
    bound = told["seconds"]
    made.same("worked on", told["messages"], len(took))
    made.same("in time", told["kept"], sum(each <= bound for each in took))
    made.same("later", told["late"] + told["unsure"] + told["excused"], sum(each > bound for each in took))
    for name, value in (("p50", rank(took, 0.5)), ("p95", rank(took, 0.95)), ("longest", took[-1])):
        made.same(name, told[name], value)
    for bar in told["bars"]:
        held = [each for each in took if bar["from"] < each or bar["from"] == 0]
        held = [each for each in held if bar["until"] is None or each <= bar["until"]]
        counted = sum(bar[state] for state in ("kept", "late", "unsure", "excused"))
        made.same(f"bar {bar['from']}", counted, len(held))
    slowest = sorted(facts.effects, key=lambda name: facts.published[name] - facts.effects[name][1])
    late = [row["number"] for row in told["told"] if row["state"] == "late"]
    made.same("the latest", late, [facts.planned[name]["number"] for name in slowest][: len(late)])


def _prefetch(made, told, facts):
    """What each consumer tag had in hand, delivery by delivery."""
    hands, often, most, beyond, limits = defaultdict(set), Counter(), Counter(), Counter(), {}
    for each in facts.events:
        if each["event"] == "Subscribed":
            limits[each["connection"], each["channel"], each["consumer_tag"]] = each["prefetch"]
        elif each["event"] == "Delivered" and not each["auto_ack"] and not each["get"]:
            key = each["connection"], each["channel"], each["consumer_tag"]
            hands[key].add(each["tag"])
            often[len(hands[key])] += 1
            most[key] = max(most[key], len(hands[key]))
            beyond[key] += len(hands[key]) > min(told["count"], limits[key] or told["count"])
        elif each["event"] in ("Acked", "Nacked", "Rejected"):
            for key, tags in hands.items():
                if key[:2] == (each["connection"], each["channel"]):
                    tags.discard(each["tag"])
    made.same("most in hand", told["most"], max(most.values()))
    made.same("deliveries in hand", told["deliveries"], often.total())
    made.same("beyond", told["beyond"], beyond.total())
    made.same("unlimited", told["unlimited"], sum(not limit for limit in limits.values()))
    made.same(
        "subscriptions",
        Counter(row["most"] for row in told["subscriptions"]),
        Counter(most[key] for key in limits),
    )
    for bar in told["bars"]:
        held = sum(count for number, count in often.items() if bar["from"] <= number <= bar["until"])
        made.same(f"in hand from {bar['from']}", bar["deliveries"], held)


def _overflow(made, told, facts):
    """Where the oldest is dropped and nothing reads it: what was confirmed and never handed out."""
    gone = {name for name in facts.confirmed if name not in facts.handed_out}
    made.same("dropped", told["dropped"], len(gone))
    made.same("too many", told["too_many"], len(gone))
    made.same(
        "the dropped", [row["number"] for row in told["told"]], _numbers(facts, gone)[: len(told["told"])]
    )
    states = [each for census in facts.of("CensusTaken") for each in census["queues"]]
    for row in told["queues"]:
        here = [each for each in states if each["name"] == row["name"]]
        made.same("most counted", row["most_ready"], max(each["ready"] for each in here))
        made.same("ready at the end", row["ready"], here[-1]["ready"])
        made.same("the limit", row["max_length"], here[-1]["max_length"])


def _numbers(facts, names):
    return sorted(facts.planned[name]["number"] for name in names)


def _returns(made, told, facts):
    """The broker's own returns, and where each had been published to."""
    back = facts.of("Returned")
    names = {each["message"] for each in back}
    made.same("returned", told["returned"], len(back))
    made.same("messages returned", told["messages"], len(names))
    made.same("of", told["of"], len(facts.published))
    where = Counter((facts.planned[one["message"]]["routing_key"], one["code"], one["text"]) for one in back)
    places = {(row["routing_key"], row["code"], row["text"]): row["returned"] for row in told["places"]}
    made.same("places", places, dict(where))
    never = {name for name in names if name not in facts.handed_out}
    made.same("never taken", told["messages"] - told["taken"], len(never))


BY_THE_BROKER = {
    "Delivered", "Streamed", "Confirmed", "PublishNacked", "Returned", "OwnConfirmed", "ConsumerCancelled",
}  # fmt: skip
"""What is handed to a client: it tells nothing of when that was heard."""


def _heartbeats(made, told, facts):
    """Connections that the broker gave up without a close, when it had heard nothing for a heartbeat at least."""
    agreed, last, lost, hands = {}, {}, [], defaultdict(dict)
    for each in facts.events:
        number = each.get("connection")
        if each["event"] == "LinkOpened" and each["link"] != "publisher":
            agreed[number] = each["heartbeat"]
        elif each["event"] == "Delivered" and each["passed"]:
            hands[number][each["channel"], each["tag"]] = each["message"]
        elif each["event"] in ("Acked", "Nacked", "Rejected") and each["passed"]:
            hands[number].pop((each["channel"], each["tag"]), None)
        elif (
            each["event"] == "LinkLost" and number in agreed and each["by"] == "broker" and not each["clean"]
        ):
            silent = (each["at"] - last[number]) / 1e9
            if silent >= agreed[number] > 0:
                lost.append((facts.seconds(each), silent, len(hands[number])))
        if number in agreed and each["event"] not in BY_THE_BROKER and each.get("passed", True):
            last[number] = each["at"]
    made.same(
        "agreed on",
        {row["heartbeat"]: row["connections"] for row in told["agreed"]},
        dict(Counter(agreed.values())),
    )
    made.same("time-outs", told["timeouts"], len(lost))
    for row, (at, silent, held) in zip(told["told"], lost, strict=False):
        made.same("when", row["at"], at)
        made.same("silent", row["silent"], silent)
        made.same("in hand", row["held"], held)


def main(folder):
    """Compare all kept runs of a report; returns how many figures were looked at and what differs, by test."""
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    looked, wrong = {}, []
    for run in (each for each in document["runs"] if each.get("kept")):
        made = compare(run, folder / run["kept"] / "history.jsonl")
        looked[run["test"]] = made.looked
        wrong += [f"{run['nodeid']}: {each}" for each in made.wrong]
    return looked, wrong
