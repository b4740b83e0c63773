"""One final second of dealer flow through the fold: rows, positions with 200 draws, exposures, flips, labels, records encoded.

Run by ``make bench``.  750 options of one currency, as the venue lists for BTC; 100 rows and 5 trades a second; one core.
Budget: 150 ms a currency and second, with ladder, profile and strikes each fifth second, so that two currencies leave the other core
alone and most of this one.  What the time buys is exact: the same bytes as any other order of the lanes gives
(tests/properties/test_flow_fold_properties.py).
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

import schemas
from pricers import scenarios
from schemas import Flow, OptionType
from streams.flow.fold import Arrival, Context, new_state, step, to_bytes
from streams.flow.side import SideSettings
from tests.flow_log import EXPIRY_NS, NS, Option, Writer, row_of, trade_of

BUDGET_MS = 150.0
N_SECONDS = 20
DAYS = (1, 2, 3, 8, 15, 30, 60, 90, 180, 270)
PARTITIONS = tuple(range(16))


def chain() -> list[Option]:
    found: list[Option] = []
    for days in DAYS:
        expiry_ns = EXPIRY_NS + days * 86_400 * NS
        when = datetime.fromtimestamp(expiry_ns // NS, UTC).strftime("%-d%b%y").upper()
        for place in range(-18, 19):
            strike = 100_000.0 + place * 500.0 * min(9, max(1, round(days**0.5)))
            for side, kind in (("C", OptionType.CALL), ("P", OptionType.PUT)):
                name = f"BTC-{when}-{strike:.0f}-{side}"
                found.append(Option(name, "BTC", kind, strike, expiry_ns, len(found) % 16))
    return found


def seconds() -> list[list[Arrival]]:
    """What all workers write in each second."""
    draw = random.Random(7)
    options, writers = chain(), [Writer(partition) for partition in PARTITIONS]
    trades = dict.fromkeys((option.name for option in options), 10)
    out, taken = [], dict.fromkeys(((topic, p) for topic in ("greeks", "trades") for p in PARTITIONS), 0)
    for second in range(N_SECONDS):
        now_ns = EXPIRY_NS + second * NS
        for option in options if second == 0 else draw.sample(options, 100):
            writer = writers[option.partition]
            row = row_of(option, now_ns, 100_000.0 + second, 300.0, writer.place())
            writer.write("greeks", row)
        for option in draw.sample(options, 5):
            writer = writers[option.partition]
            trades[option.name] += 1
            trade = trade_of(option, now_ns + 1, trades[option.name], draw.random() < 0.5, 2.0, writer.place())
            writer.write("trades", trade)
        found = []
        for writer in writers:
            writer.clock(now_ns + NS, len(options) // 16)
            for topic, lane in writer.arrivals.items():
                found += lane[taken[topic, writer.partition] :]
                taken[topic, writer.partition] = len(lane)
        out.append(found)
    return out


def test_a_final_second_of_a_whole_chain(benchmark: Any) -> None:
    scenarios.warm_up()
    context = Context(side=SideSettings(), partitions=PARTITIONS)
    state, spent, sizes = new_state(context), [], []
    found = seconds()
    for arrivals in found:
        began, size = time.thread_time(), 0
        for arrival in arrivals:
            state, records = step(state, arrival, context)
            size += sum(len(schemas.encode(record)) for record in records)
        spent.append(1e3 * (time.thread_time() - began))
        sizes.append(size)
    plain, wide = [], []
    for number, ms in enumerate(spent):
        if number > 1:
            (wide if ((EXPIRY_NS // NS) + number + 1) % 5 == 0 else plain).append(ms)
    began = time.thread_time()
    data = to_bytes(state.final)
    checkpoint_ms = 1e3 * (time.thread_time() - began)
    benchmark.pedantic(to_bytes, args=(state.final,), rounds=1)
    a_second = (4 * min(plain) + min(wide)) / 5
    benchmark.extra_info.update(
        options=len(chain()), plain_ms=min(plain), wide_ms=min(wide), a_second_ms=a_second, checkpoint_ms=checkpoint_ms,
        checkpoint_bytes=len(data), bytes_a_second=sum(sizes[2:]) / len(sizes[2:]),
    )  # fmt: skip
    print(benchmark.extra_info)
    assert state.n_finals == N_SECONDS
    last = next(r for r in reversed(_records(found, context)) if isinstance(r, Flow))
    assert last.n_options == len(chain()) and last.exposures[0].n_used == last.n_options
    assert a_second <= BUDGET_MS


def _records(found: list[list[Arrival]], context: Context) -> list[Any]:
    """The first seconds again, for what they say."""
    state, out = new_state(context), []
    for arrival in (item for arrivals in found[:2] for item in arrivals):
        state, records = step(state, arrival, context)
        out += records
    return out
