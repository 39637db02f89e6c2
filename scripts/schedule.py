"""The times of events by a recorded schedule, from the comment of package core alone.

    times(json.loads('[{"from":0,"start":1735689600000,"shape":"stages 10s 50, 5s 50..200, repeat"}]'), 0, 100)

A schedule is what gen records: a list of segments, each with the first event,
its start in epoch milliseconds and a shape: "rate R", "stages ...", or
"poisson SEED" and one of these. Whole numbers of Python, which do not
overflow; nothing is taken from gen but the comment.
"""
import bisect
from fractions import Fraction
from math import lcm

import numpy as np

LANE_ARRIVAL = 4
BLOCK = 1024
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def parse_rate(text):
    """Reads events per second, "50", "0.5", "1/3", or "90/m", "20/h", "5/d"."""
    number, slash, unit = text.partition("/")
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(unit) or Fraction(unit if slash else "1")
    return Fraction(number) / seconds


def parse_millis(text):
    total, digits, unit = 0, "", ""
    for c in text + "0":
        if c.isdigit() and unit:
            total += int(digits) * UNITS[unit]
            digits, unit = "", ""
        if c.isdigit():
            digits += c
        else:
            unit += c
    return total


class Stages:
    def __init__(self, stages, repeat):
        """stages: (milliseconds, first rate, last rate)."""
        fineness = lcm(*(r.denominator for _, a, b in stages for r in (a, b)))
        self.unit, self.repeat = 2000 * fineness, repeat
        self.stages = [(d, int(a * fineness), int(b * fineness)) for d, a, b in stages]
        self.area, self.time = [0], [0]
        for d, a0, a1 in self.stages:
            self.area.append(self.area[-1] + (a0 + a1) * d)
            self.time.append(self.time[-1] + d)

    @classmethod
    def parse(cls, text):
        parts = [part.split() for part in text.split(",")]
        repeat = parts[-1] == ["repeat"]
        stages = []
        for length, rates in parts[:-1] if repeat else parts:
            first, _, last = rates.partition("..")
            stages.append((parse_millis(length), parse_rate(first), parse_rate(last or first)))
        return cls(stages, repeat)

    def at(self, place):
        """Returns the milliseconds at a place on the area."""
        rounds, area = divmod(place, self.area[-1])
        if rounds and not self.repeat:
            raise ValueError("behind the end of the stages")
        i = bisect.bisect_right(self.area, area) - 1
        d, a0, a1 = self.stages[i]
        want, low, high = (area - self.area[i]) * d, 0, d
        while high - low > 1:  # the largest x that fits is at least low and below high
            x = (low + high) // 2
            if 2 * a0 * x * d + (a1 - a0) * x * x <= want:
                low = x
            else:
                high = x
        return rounds * self.time[-1] + self.time[i] + low


def even(stages, k):
    return stages.at(stages.unit * k)


def philox(seed, lane, *counter):
    """Returns the four words of Philox4x64-10; numpy counts up before a block."""
    before = (sum(word << 64 * i for i, word in enumerate(counter)) - 1) % 2**256
    words = np.array([before >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)], np.uint64)
    return np.random.Philox(counter=words, key=np.array([seed, lane], np.uint64)).random_raw(4).tolist()


class Poisson:
    def __init__(self, seed, stages):
        self.seed, self.stages, self.block, self.drawn = seed, stages, None, None

    def at(self, k):
        block, j = divmod(k, BLOCK)
        if block != self.block:
            words = [philox(self.seed, LANE_ARRIVAL, block, i, 0, 0) for i in range(BLOCK // 8)]
            self.block = block
            self.drawn = sorted(half for four in words for w in four for half in (w & 0xFFFFFFFF, w >> 32))
        unit = self.stages.unit * BLOCK
        return self.stages.at(unit * block + (unit * self.drawn[j] >> 32))


def shape(text):
    """Returns the function from arrival k to milliseconds."""
    kind, _, rest = text.partition(" ")
    if kind == "rate":
        rate = parse_rate(rest)
        return lambda k: k * 1000 * rate.denominator // rate.numerator
    if kind == "stages":
        stages = Stages.parse(rest)
        return lambda k: even(stages, k)
    if kind == "poisson":
        seed, _, of = rest.partition(" ")
        kind, _, text = of.partition(" ")
        if kind == "rate":
            rate = parse_rate(text)
            stages = Stages([(1000, rate, rate)], True)
        else:
            stages = Stages.parse(text)
        return Poisson(int(seed), stages).at
    raise ValueError(f"unknown shape {text!r}")


def times(segments, first, count):
    """Returns the epoch milliseconds of count events."""
    result = []
    froms = [g["from"] for g in segments]
    shapes = [shape(g["shape"]) for g in segments]
    for n in range(first, first + count):
        i = bisect.bisect_right(froms, n) - 1
        result.append(segments[i]["start"] + shapes[i](n - froms[i]))
    return result
