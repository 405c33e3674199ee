"""What a timeline is drawn from: values that the template writes as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Band", "Bar", "Drawing", "Label", "LifeLine", "Path"]


@dataclass(slots=True)
class Label:
    """A text at a place."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = "small"


@dataclass(slots=True)
class Path:
    """A path, with the attributes that carry it where no style is applied."""

    d: str
    kind: str
    stroke: str = "none"
    fill: str = "none"
    width: float = 1.0
    dash: str = ""
    title: str = ""


@dataclass(slots=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


@dataclass(slots=True)
class Band:
    """A fault in force: its flag, the stretch it covers, and its words."""

    number: int
    x: float
    until: float
    y: float
    bottom: float
    label: Label
    title: str


@dataclass(slots=True)
class LifeLine:
    """The life of one message, drawn through the lanes."""

    number: int
    """The place of its life in the run, from 0."""
    name: str
    points: list[tuple[float, float]]
    label: Label
    title: str
    cut: bool = False
    """Whether it went on after the last of its points."""
    faint: bool = False
    """Whether it is one of many: drawn thin, without its steps and its name."""

    @property
    def path(self) -> str:
        """The line through its points; of a single one a dot."""
        line = "M" + "L".join(f"{x:g} {y:g}" for x, y in self.points)
        return line if len(self.points) > 1 else f"{line}h0"


@dataclass(slots=True)
class Drawing:
    """A whole timeline."""

    width: float
    height: float = 0.0
    left: float = 0.0
    right: float = 0.0
    lanes: list[Bar] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    cuts: list[tuple[float, float, str]] = field(default_factory=list)
    lives: list[LifeLine] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    top: float = 0.0
    bottom: float = 0.0
    judged: float | None = None
    counted: str = ""
    """What each bar of marks counts, where marks are not drawn one by one."""
    left_out: list[str] = field(default_factory=list)
    """What is not drawn, said in words."""
