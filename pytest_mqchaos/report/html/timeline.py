"""The timeline of a run as a drawing: lanes from top to bottom, faults as bands, lives drawn through.

```
 ① ──► consumer_crash(after=ack(17))         a row for each fault, its band through all lanes below
 publisher   published   ||||||||
             confirmed   ........
 queues      waiting     ▁▂▅▇▅▂▁
 worker      ════════╳   ════════            process, connection, subscription
             deliveries  |||||| |||
             acks        ...... ...
             effects     ◆◆◆◆◆  ◆◆◆
 0.0       0.2       0.4 s
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.printable import cut
from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.html.drawing import Band, Bar, Drawing, Label, Path
from pytest_mqchaos.report.html.lifelines import POINTS, life_lines
from pytest_mqchaos.report.html.marks import HEIGHT, bars, marks_path, shape_of
from pytest_mqchaos.report.html.scale import Scale
from pytest_mqchaos.report.words import span

__all__ = ["LEFT", "RIGHT", "timeline"]

WIDTH = 1080.0
LEFT = 168.0
RIGHT = 1052.0
_FAULTS = 6
_FAULT_ROW, _DEPTH, _STRIP, _GAP = 19.0, 46.0, 20.0, 11.0
_NAME = 22
_PUBLISHER_ROWS = (("published", "published"), ("confirmed", "confirmed"), ("refused", "refused"))
_CONSUMER_ROWS = (
    ("delivered", "deliveries"),
    ("acked", "acks"),
    ("given_back", "given back"),
    ("rejected", "rejected"),
    ("effected", "effects"),
)
_ALWAYS = ("published", "delivered", "acked", "effected")

Record = Mapping[str, Any]


def timeline(run: Record) -> Drawing | None:
    """Return the timeline of a run; None where nothing is known of it."""
    return _Plotter(run).drawing() if run["timeline"] is not None else None


class _Plotter:
    """Lays the rows of one timeline out, from top to bottom."""

    def __init__(self, run: Record) -> None:
        self._run = run
        self._facts: Record = run["timeline"]
        self._scale = Scale(
            self._facts["from"], self._facts["until"], self._facts["quiet"], left=LEFT, right=RIGHT
        )
        self._made = Drawing(WIDTH, left=LEFT, right=RIGHT)
        self._series: dict[tuple[str, str], Record] = {
            (each["lane"], each["kind"]): each for each in self._facts["marks"]
        }
        self._rows: dict[tuple[str, str], float] = {}
        """Where lives pass: the middle of each row, by lane and kind."""
        self._y = 6.0

    def drawing(self) -> Drawing:
        made = self._made
        bands = self._fault_rows()
        made.top = self._y
        self._publisher()
        self._depth()
        for name in self._facts["lanes"][1:]:
            self._consumer(name)
        made.bottom = self._y
        for band in bands:
            band.bottom = made.bottom
        made.bands = bands
        made.height = made.bottom + 24
        made.ticks = self._scale.ticks()
        made.cuts = [(a, b, span(length)) for a, b, length in self._scale.cuts()]
        if self._facts["judged"] is not None:
            made.judged = self._scale(self._facts["judged"])
        counted = any(each["step"] for each in self._facts["marks"])
        made.counted = span(self._facts["step"]) if counted else ""
        if self._facts["lanes_left_out"]:
            made.left_out.append(f"{self._facts['lanes_left_out']:,} more consumers have no lane here")
        made.lives = life_lines(self._run, self._rows, self._scale)
        made.left_out += self._lives_left_out()
        return made

    def _lives_left_out(self) -> Iterator[str]:
        drawn, told = self._made.lives, len(self._run["lives"])
        for line in drawn:
            if line.cut and not line.faint:
                yield f"the life of {line.name} is drawn for its first {POINTS} steps"
        cut = sum(line.cut and line.faint for line in drawn)
        if cut:
            yield f"of the thin lines {cut:,} {'is' if cut == 1 else 'are'} drawn for the first {POINTS} steps"
        if told > len(drawn):
            yield f"the lives of {len(drawn):,} messages are drawn, {told:,} are told below"
        if more := self._run["lives_left_out"]:
            yield f"{plural(more, 'more message')} that findings name {'has' if more == 1 else 'have'} no life here"

    # --- faults ---

    def _fault_rows(self) -> list[Band]:
        bands = []
        felt = [
            (number, fault)
            for number, fault in enumerate(self._run["faults"], 1)
            if fault["actor"] != "publisher"
        ]
        for number, fault in [(n, fault) for n, fault in felt if fault["struck"]][:_FAULTS]:
            bands += [self._band(number, fault, strike) for strike in fault["struck"]]
            self._y += _FAULT_ROW
        more = sum(bool(fault["struck"]) for _, fault in felt) - _FAULTS
        if more > 0:
            self._made.left_out.append(f"{more:,} more faults struck (see the table of faults)")
        self._y += 3 if bands else 0
        return bands

    def _band(self, number: int, fault: Record, strike: Record) -> Band:
        x = self._scale(strike["at"])
        until = x if strike["until"] is None else self._scale(strike["until"])
        text = cut(fault["description"], 64)
        wide = 7.0 * len(text) + 16
        if x + wide < RIGHT:
            label = Label(x + 13, self._y + 11, text)
        else:
            label = Label(x - 13, self._y + 11, text, anchor="end")
        lasted = "" if strike["until"] is None else f", in force for {span(strike['until'] - strike['at'])}"
        title = (
            f"{fault['description']} struck {strike['target'] or 'nobody'} at {strike['at']:.3f} s{lasted}"
        )
        return Band(number, x, until, self._y + 7, 0.0, label, title)

    # --- lanes ---

    def _lane(self, name: str) -> Bar:
        lane = Bar(0, self._y, WIDTH, 0, "lane")
        self._made.lanes.append(lane)
        self._made.labels.append(Label(8, self._y + 15, cut(name, _NAME), kind="lane"))
        return lane

    def _end(self, lane: Bar) -> None:
        self._y += _GAP
        lane.height = self._y - lane.y

    def _publisher(self) -> None:
        if ("publisher", "published") not in self._series and any(
            kind == "published" for _, kind in self._series
        ):
            return  # producers of the application did it all
        lane = self._lane("publisher")
        self._y += 17
        self._marks("publisher", _PUBLISHER_ROWS)
        self._end(lane)

    def _consumer(self, name: str) -> None:
        lane = self._lane(name)
        facts = next((each for each in self._run["consumers"] if each["name"] == name), None)
        self._y += 5
        if facts is not None:
            self._strip(name, facts)
        self._rows[name, "strip"] = self._y + 5
        lost = self._series.get((name, "link_lost"))
        if lost is not None:
            self._put("link_lost", lost, self._y + 5)
        self._y += _STRIP
        self._marks(name, _PUBLISHER_ROWS if (name, "published") in self._series else _CONSUMER_ROWS)
        self._end(lane)

    def _marks(self, lane: str, rows: Sequence[tuple[str, str]]) -> None:
        for kind, words in rows:
            here = [self._series.get((lane, kind)), self._series.get((lane, f"{kind}_stopped"))]
            if kind not in _ALWAYS and not any(here):
                continue
            middle = self._y + HEIGHT / 2
            self._rows[lane, kind] = middle
            total, stopped = (0 if each is None else each["total"] for each in here)
            told = f"{words} {total:,} + {stopped:,} ✗" if stopped else f"{words} {total:,}"
            self._made.labels.append(Label(LEFT - 12, middle + 3.5, told, anchor="end"))
            for series in here:
                if series is not None:
                    self._put(series["kind"], series, middle)
            self._y += HEIGHT

    def _put(self, kind: str, series: Record, middle: float) -> None:
        shape = shape_of(kind)
        step = series["step"]
        if step:
            d = bars([(self._scale(at + step / 2), count) for at, count in series["points"]], middle)
            wide = max((RIGHT - LEFT) / 240 - 0.6, 1.5)
            self._made.paths.append(Path(d, f"bars {kind}", stroke=shape.colour, width=wide))
            return
        d = marks_path(kind, [self._scale(at) for at, _ in series["points"]], middle)
        fill = shape.colour if shape.filled else "none"
        self._made.paths.append(Path(d, f"marks {kind}", stroke=shape.colour, fill=fill, width=shape.width))

    def _strip(self, name: str, facts: Record) -> None:
        """Draw the process, its connections, and what it subscribed: three widths of one line."""
        made, y = self._made, self._y
        for process in facts["processes"]:
            self._interval(process, y + 4, 2, "process", f"{name}: process {process['pid']} ran")
        for connection in facts["connections"]:
            self._interval(connection, y + 1, 8, "connection", f"{name}: connected")
        for subscription in facts["subscriptions"]:
            title = f"{name}: reads {subscription['queue']}"
            self._interval(subscription, y + 2.5, 5, "subscription", title)
        for since, until in facts["frozen_at"]:
            frozen = {"from": since, "until": until}
            self._interval(frozen, y + 1, 8, "frozen", f"{name}: stood still")
        for process in facts["processes"]:
            if process["until"] is not None and process["by"] != "plugin":
                d = marks_path("link_lost", [self._scale(process["until"])], y + 5)
                made.paths.append(Path(d, "marks ended", stroke="#d55e00", width=2.4))

    def _interval(self, interval: Record, y: float, height: float, kind: str, title: str) -> None:
        until = self._facts["until"] if interval["until"] is None else interval["until"]
        if until < self._facts["from"] or interval["from"] > self._facts["until"]:
            return
        x = self._scale(interval["from"])
        ended = "" if interval["until"] is None else f" to {until:.3f} s"
        told = f"{title} from {interval['from']:.3f} s{ended}"
        self._made.bars.append(Bar(x, y, max(round(self._scale(until) - x, 1), 1.5), height, kind, told))

    def _depth(self) -> None:
        depth = self._facts["depth"]
        lane = self._lane("queues")
        top, foot = self._y + 6, self._y + _DEPTH
        most = max(depth["most_waiting"], depth["most_in_hand"], 1)
        for kind, column in (("waiting", 1), ("in_hand", 2)):
            d = self._steps([(each[0], each[column]) for each in depth["points"]], most, top, foot)
            if not d:
                continue
            if kind == "waiting":
                made = Path(f"{d}V{foot:g}H{LEFT:g}z", "area waiting", fill="#0072b2", stroke="none")
                self._made.paths.append(made)
                self._made.paths.append(Path(d, "line waiting", stroke="#0072b2", width=1.4))
            else:
                self._made.paths.append(Path(d, "line in-hand", stroke="#7a6ad8", width=1.4, dash="4 3"))
        for words, value, y in (
            ("waiting, at most", depth["most_waiting"], foot - 17),
            ("in hand (- -), at most", depth["most_in_hand"], foot - 3),
        ):
            self._made.labels.append(Label(LEFT - 12, y, f"{words} {value:,}", anchor="end"))
        self._rows["queues", "rested"] = foot - 4
        self._y = foot
        self._end(lane)

    def _steps(self, points: Sequence[tuple[float, float]], most: int, top: float, foot: float) -> str:
        """Return a line that keeps each value until the next; points at one place are drawn as their last."""
        if not points:
            return ""
        places: dict[float, float] = {}
        for at, value in points:
            places[self._scale(at)] = foot - (foot - top) * value / most
        d = f"M{LEFT:g} {foot:g}"
        for x, y in places.items():
            d += f"H{x:g}V{y:.1f}"
        return f"{d}H{RIGHT:g}"
