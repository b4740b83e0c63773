"""The session as a conversation: what it asks, how it paces, what it makes of refusals, silence, gaps and new instruments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas import OptionTrade
from streams.deribit import events as ev
from streams.deribit.session import Session, SessionSettings
from streams.deribit.subscriptions import LARGEST_GAP, Sequences, Subscriptions
from streams.deribit.trades import option_trade
from tests import venue_frames as venue

S = 1_000_000_000
T0 = 1_700_000_100 * S
EXPIRED = "BTC-10NOV23-40000-C"


class Venue:
    """Plays the other side: keeps what the session sends, and answers it."""

    def __init__(self, rows: list[dict[str, Any]] | None = None, **settings: Any) -> None:
        self.session = Session(SessionSettings(**{"currencies": ("BTC",), **settings}))
        self.rows = [venue.instrument_row(), venue.instrument_row(venue.FUTURE)] if rows is None else rows
        self.now = T0
        self.sent: list[dict[str, Any]] = []
        self.events: list[ev.Event] = []

    def connect(self) -> None:
        self._take(self.session.connected(self.now))

    def say(self, frame: str) -> list[ev.Event]:
        events, frames = self.session.receive(frame, self.now)
        self.events += events
        self._take(frames)
        return events

    def tick(self, seconds: float = 0.0) -> list[ev.Event]:
        self.now += int(seconds * S)
        self._take(self.session.tick(self.now))
        events = self.session.take_events()
        self.events += events
        return events

    def _take(self, frames: list[str]) -> None:
        self.sent += [json.loads(frame) for frame in frames]

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [request for request in self.sent if request["method"] == method]

    def answer(self, method: str, result: Any = None) -> list[ev.Event]:
        """Answer the newest request of a method (subscribe: confirm all of its channels unless told otherwise)."""
        request = self.asked(method)[-1]
        if result is None:
            result = {
                "public/subscribe": lambda: request["params"]["channels"],
                "public/get_instruments": lambda: self.rows,
            }[method]()
        return self.say(venue.answer(request["id"], result, usOut=self.now // 1000))

    def settle(self) -> None:
        """Connect and answer everything."""
        self.connect()
        answered: set[int] = set()
        while open_requests := [request for request in self.sent if request["id"] not in answered]:
            for request in open_requests:
                answered.add(request["id"])
                result: Any = {
                    "public/subscribe": request["params"].get("channels"),
                    "public/unsubscribe": request["params"].get("channels"),
                    "public/get_instruments": self.rows,
                    "public/get_time": venue.MS,
                    "public/get_instrument": self.rows[0] if self.rows else None,
                }.get(request["method"], "ok")
                self.say(venue.answer(request["id"], result, usOut=self.now // 1000))

    def subscribed(self) -> list[str]:
        return [channel for request in self.asked("public/subscribe") for channel in request["params"]["channels"]]


def kinds(events: list[ev.Event]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- a connection ---


def test_a_connection_asks_for_heartbeats_time_instruments_and_then_every_ticker():
    world = Venue()
    world.settle()
    assert [request["method"] for request in world.sent[:3]] == [
        "public/set_heartbeat",
        "public/get_time",
        "public/get_instruments",
    ]
    assert world.asked("public/set_heartbeat")[0]["params"] == {"interval": 30}
    assert world.asked("public/get_instruments")[0]["params"] == {"currency": "BTC", "expired": False}
    assert sorted(world.subscribed()) == [
        "deribit_price_index.btc_usd",
        "deribit_volatility_index.btc_usd",
        "estimated_expiration_price.btc_usd",
        "instrument.state.any.any",
        "markprice.options.btc_usd",
        "ticker.BTC-29DEC23-40000-C.100ms",
        "ticker.BTC-29DEC23.100ms",
        "trades.future.BTC.100ms",
        "trades.option.BTC.100ms",
    ]
    ids = [request["id"] for request in world.sent]
    assert len(set(ids)) == len(ids)


def test_subscribed_comes_once_when_everything_is_confirmed():
    world = Venue()
    world.settle()
    (event,) = [event for event in world.events if isinstance(event, ev.Subscribed)]
    assert sorted(event.channels) == sorted(world.subscribed())
    assert isinstance(world.events[0], ev.Connected)


def test_nothing_is_called_subscribed_before_the_instruments_are_known():
    world = Venue()
    world.connect()
    assert "Subscribed" not in kinds(world.answer("public/subscribe"))


def test_the_time_answer_carries_when_it_was_asked_and_received():
    world = Venue()
    world.connect()
    world.now += 5 * S
    (event,) = [e for e in world.answer("public/get_time", venue.MS) if isinstance(e, ev.VenueTime)]
    assert event == ev.VenueTime(venue.NS, T0, T0 + 5 * S)


def test_a_test_request_is_answered_at_once_even_without_credits():
    world = Venue(credits_burst=3_000, credits_per_s=1)
    world.connect()
    n_sent = len(world.sent)
    events = world.say('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    assert events[-1:] == [ev.Ignored("test_request")]
    assert world.sent[n_sent]["method"] == "public/test"


def test_credentials_come_first_and_nothing_else_is_asked_before_they_are_accepted():
    world = Venue(client_id="me", client_secret="secret", interval="raw")
    world.connect()
    assert [request["method"] for request in world.sent] == ["public/set_heartbeat", "public/auth"]
    world.answer("public/auth", {"access_token": "x", "expires_in": 900})
    assert "trades.option.BTC.raw" in world.subscribed()


def test_raw_without_credentials_is_a_wrong_setting():
    with pytest.raises(ValueError, match="DERIBIT_CLIENT_ID"):
        SessionSettings(interval="raw")


# --- pacing and batches ---


def many(n: int) -> list[dict[str, Any]]:
    return [venue.instrument_row(f"BTC-29DEC23-{1000 + i}-C") for i in range(n)]


def test_no_subscribe_holds_more_than_250_channels_and_every_channel_is_asked_once():
    world = Venue(many(1_200))
    world.settle()
    sizes = [len(request["params"]["channels"]) for request in world.asked("public/subscribe")]
    assert max(sizes) == 250
    channels = world.subscribed()
    assert len(channels) == len(set(channels)) == 1_200 + 3 + 4


def test_credits_pace_the_subscribes():
    """Burst 30 000 at 3 000 each, 500 for each other request: nine fit beside the three first; then one every 0.3 s."""
    world = Venue(many(5_000))
    world.connect()
    world.answer("public/subscribe")
    world.answer("public/get_instruments")
    assert len(world.asked("public/subscribe")) == 9
    due = world.session.next_tick_ns
    assert T0 < due <= T0 + int(0.3 * S)
    world.now = due
    world.tick()
    assert len(world.asked("public/subscribe")) == 10
    world.tick(0.29)
    assert len(world.asked("public/subscribe")) == 10
    world.tick(0.02)
    assert len(world.asked("public/subscribe")) == 11


def test_requests_in_flight_are_bounded():
    world = Venue(max_pending=4, credits_burst=10**9)
    world.settle()
    n_sent = len(world.sent)
    for i in range(10):
        world.session.get_trades_by_sequence(venue.OPTION, i, i, i)
    world.tick()
    assert len(world.sent) == n_sent + 4


def test_the_queue_is_bounded_and_says_so():
    world = Venue(max_queued=5)
    world.settle()
    for i in range(7):
        world.session.get_trades_by_sequence(venue.OPTION, i, i, i)
    refused = [event.request for event in world.session.take_events() if isinstance(event, ev.RequestFailed)]
    assert refused == [5, 6]


# --- confirmations and refusals ---


def test_a_channel_that_is_not_confirmed_is_asked_again_and_given_up_after_three_times():
    world = Venue()
    world.connect()
    world.answer("public/get_instruments")
    lost = "trades.option.BTC.100ms"
    for _ in range(3):
        for request in world.asked("public/subscribe"):
            confirmed = [channel for channel in request["params"]["channels"] if channel != lost]
            world.say(venue.answer(request["id"], confirmed))
    assert world.subscribed().count(lost) == 3
    failed = [event for event in world.events if isinstance(event, ev.RequestFailed)]
    assert [lost in event.message for event in failed] == [True]
    (settled,) = [event for event in world.events if isinstance(event, ev.Subscribed)]
    assert lost not in settled.channels


def test_an_error_without_an_id_means_the_oldest_subscribe_and_its_channels_come_again_in_halves():
    world = Venue(many(300))
    world.connect()
    world.answer("public/subscribe")
    world.answer("public/get_instruments")
    first, second = world.asked("public/subscribe")[1:3]
    world.say(venue.error(None, -32600, "request entity too large"))
    again = world.asked("public/subscribe")[3:]
    assert [len(request["params"]["channels"]) for request in again] == [125, 125]
    assert [c for request in again for c in request["params"]["channels"]] == first["params"]["channels"]
    world.say(venue.answer(second["id"], second["params"]["channels"]))
    for request in again:
        world.say(venue.answer(request["id"], request["params"]["channels"]))
    assert "Subscribed" in kinds(world.events)


def test_one_bad_channel_is_found_by_halving_and_the_others_survive():
    world = Venue(many(20))
    world.connect()
    bad = "ticker.BTC-29DEC23-1007-C.100ms"
    world.answer("public/get_instruments")
    answered: set[int] = set()
    for _ in range(200):
        waiting = [r for r in world.asked("public/subscribe") if r["id"] not in answered]
        if not waiting:
            world.tick(1.0)
            continue
        for request in waiting:
            answered.add(request["id"])
            channels = request["params"]["channels"]
            world.say(venue.error(request["id"], -32602) if bad in channels else venue.answer(request["id"], channels))
    (settled,) = [event for event in world.events if isinstance(event, ev.Subscribed)]
    assert set(world.subscribed()) - set(settled.channels) == {bad}


def test_too_many_requests_ends_the_session_and_is_waited_out():
    world = Venue()
    world.settle()
    assert world.session.close_reason is None
    world.session.get_time()
    world.tick()
    events = world.say(venue.error(world.sent[-1]["id"], 10028, "too_many_requests"))
    (failed,) = [event for event in events if isinstance(event, ev.RequestFailed)]
    assert (failed.code, failed.is_fatal, failed.method) == (10028, True, "public/get_time")
    assert "10028" in (world.session.close_reason or "")
    world.session.disconnected(world.now, "closed")
    assert world.session.reconnect_delay_s() >= 10.0


def test_a_callers_request_that_is_refused_or_not_answered_is_told_with_its_mark():
    world = Venue()
    world.settle()
    world.session.get_trades_by_sequence(venue.OPTION, 5, 9, "first")
    world.session.get_trades_by_time("BTC", "option", 1, 2, "second")
    world.tick()
    by_sequence, by_time = world.sent[-2:]
    assert by_sequence["params"] == {
        "instrument_name": venue.OPTION, "start_seq": 5, "end_seq": 9, "count": 1000, "sorting": "asc",
    }  # fmt: skip
    assert by_time["params"] == {
        "currency": "BTC", "kind": "option", "start_timestamp": 1, "end_timestamp": 2, "count": 1000, "sorting": "asc",
    }  # fmt: skip
    (refused,) = world.say(venue.error(by_sequence["id"], 11050, "bad_request"))
    assert isinstance(refused, ev.RequestFailed)
    assert (refused.request, refused.code) == ("first", 11050)
    late = [event for event in world.tick(10.0) if isinstance(event, ev.RequestFailed)]
    assert [event.request for event in late] == ["second"]


def test_an_own_request_without_an_answer_is_repeated_and_then_the_connection_is_given_up():
    world = Venue(silence_s=1e6)
    world.connect()
    for _ in range(40):
        world.tick(2.0)
    assert len(world.asked("public/get_instruments")) == 3
    assert "get_instruments" in (world.session.close_reason or "")


def test_a_lost_subscribe_is_repeated():
    world = Venue(silence_s=1e6)
    world.connect()
    world.answer("public/get_instruments")
    n_asked = len(world.asked("public/subscribe"))
    world.tick(10.0)
    assert len(world.asked("public/subscribe")) > n_asked


# --- silence, losses, reconnects ---


def test_silence_closes_the_connection_but_not_while_the_shell_was_held_up():
    world = Venue()
    world.settle()
    world.tick(74.0)
    assert world.session.close_reason is None
    world.session.not_silent_before(world.now)
    world.tick(74.0)
    assert world.session.close_reason is None
    world.tick(2.0)
    assert "silence" in (world.session.close_reason or "")


def test_a_loss_fails_callers_requests_and_a_reconnect_subscribes_what_is_known_at_once():
    world = Venue()
    world.settle()
    before = set(world.subscribed())
    world.session.get_trades_by_sequence(venue.OPTION, 1, 2, "mine")
    world.tick()
    lost = world.session.disconnected(world.now, "reset")
    assert kinds(lost) == ["Disconnected", "RequestFailed"]
    assert isinstance(lost[0], ev.Disconnected)
    assert set(lost[0].channels) == before
    assert world.session.tick(world.now) == []
    world.sent.clear()
    world.connect()
    assert set(world.subscribed()) == before
    assert world.say(venue.ticker())[0] == ev.Connected(world.now)


def test_answers_of_the_connection_before_find_nobody():
    world = Venue()
    world.connect()
    old = world.asked("public/get_instruments")[-1]
    world.session.disconnected(world.now, "reset")
    world.connect()
    world.say(venue.answer(old["id"], []))
    assert "Subscribed" not in kinds(world.events)
    assert len({request["id"] for request in world.sent}) == len(world.sent)


def test_reconnect_delays_double_with_jitter_of_the_seed_and_start_again_after_success():
    session, same, other = (Session(SessionSettings(seed=seed)) for seed in (1, 1, 2))
    delays = [session.reconnect_delay_s() for _ in range(9)]
    assert delays == [same.reconnect_delay_s() for _ in range(9)]
    assert delays != [other.reconnect_delay_s() for _ in range(9)]
    for i, delay in enumerate(delays):
        ceiling = min(60.0, 2.0**i)
        assert ceiling / 2 <= delay < ceiling
    world = Venue(seed=1)
    for _ in range(5):
        world.session.reconnect_delay_s()
    world.settle()
    assert world.session.reconnect_delay_s() < 1.0


# --- instruments ---


def created(name: str, state: str = "created") -> str:
    data = {"timestamp": venue.MS, "state": state, "instrument_name": name}
    return venue.notification("instrument.state.any.any", data)


def test_a_new_instrument_is_asked_for_once_and_subscribed():
    world = Venue()
    world.settle()
    new = "BTC-29DEC23-45000-C"
    world.say(created(new))
    world.say(created(new, "started"))
    (asked,) = world.asked("public/get_instrument")
    assert asked["params"] == {"instrument_name": new}
    events = world.say(venue.answer(asked["id"], venue.instrument_row(new)))
    assert "InstrumentState" in kinds(events)
    assert world.asked("public/subscribe")[-1]["params"]["channels"] == [f"ticker.{new}.100ms"]
    (settled,) = [e for e in world.answer("public/subscribe") if isinstance(e, ev.Subscribed)]
    assert settled.channels == (f"ticker.{new}.100ms",)
    assert new in world.session.instruments


@pytest.mark.parametrize(
    "name", ["ETH-29DEC23-2000-C", "BTC-CS-29DEC23-1_2", "BTC_USDC-29DEC23-40000-C", "BTC_USDC", "?"]
)
def test_a_new_instrument_of_no_interest_is_not_asked_for(name):
    world = Venue()
    world.settle()
    world.say(created(name))
    assert world.asked("public/get_instrument") == []


@pytest.mark.parametrize("state", ["closed", "settled", "terminated", "archivized"])
def test_an_instrument_that_is_over_is_dropped_and_unsubscribed(state):
    world = Venue()
    world.settle()
    world.say(created(venue.OPTION, state))
    assert venue.OPTION not in world.session.instruments
    world.tick(10.0)
    (asked,) = world.asked("public/unsubscribe")
    assert asked["params"]["channels"] == [f"ticker.{venue.OPTION}.100ms"]


def test_many_expiries_are_unsubscribed_together_and_one_that_came_back_is_kept():
    world = Venue(many(300))
    world.settle()
    for row in world.rows:
        world.say(created(row["instrument_name"], "deactivated"))
    back = world.rows[7]["instrument_name"]
    world.session.get_instrument(back)
    world.tick()
    world.answer("public/get_instrument", world.rows[7])
    world.tick(10.0)
    stopped = [request["params"]["channels"] for request in world.asked("public/unsubscribe")]
    assert [len(channels) for channels in stopped] == [250, 49]
    assert f"ticker.{back}.100ms" not in stopped[0] + stopped[1]


def test_expired_instruments_are_dropped_by_venue_time_and_one_wrong_time_drops_nothing():
    world = Venue()
    world.settle()
    world.say(venue.ticker(timestamp=venue.EXPIRY_MS + 3_600_000))
    world.tick(11.0)
    assert venue.OPTION in world.session.instruments
    for i in range(16):
        world.say(
            venue.notification("deribit_price_index.btc_usd", {"timestamp": venue.EXPIRY_MS + 61_000 + i, "price": 1.0})
        )
    world.tick(11.0)
    assert dict(world.session.instruments) == {}


def test_a_list_without_a_known_instrument_drops_it():
    world = Venue([venue.instrument_row(), venue.instrument_row(venue.OTHER)])
    world.settle()
    world.rows = [venue.instrument_row()]
    world.session.get_instruments("BTC")
    world.tick()
    world.answer("public/get_instruments")
    assert list(world.session.instruments) == [venue.OPTION]


def test_filters_keep_expiries_out():
    rows = [venue.instrument_row(), venue.instrument_row("BTC-24NOV23-40000-C", expiration_timestamp=1_700_812_800_000)]
    world = Venue(rows, expiries=("24NOV23",), kinds=("option",))
    world.settle()
    assert list(world.session.instruments) == ["BTC-24NOV23-40000-C"]
    assert "trades.future.BTC.100ms" not in world.subscribed()
    assert world.say(venue.trades(venue.trade_data())) == [ev.Ignored("trades.filtered")]


def test_a_quote_of_an_unlisted_option_brings_its_contract_made_from_the_name_once():
    world = Venue([])
    world.settle()
    events = world.say(venue.ticker())
    assert kinds(events) == ["InstrumentState", "OptionQuote"]
    assert events[0].is_inferred
    assert kinds(world.say(venue.ticker())) == ["OptionQuote"]
    assert len(world.asked("public/get_instrument")) == 1


def test_the_number_of_instruments_is_bounded():
    world = Venue(many(50), max_instruments=10)
    world.settle()
    assert len(world.session.instruments) == 10
    for i in range(50):
        world.say(venue.ticker(f"BTC-29DEC23-{9000 + i}-P"))
    assert len(world.session.instruments) == 10


# --- trade numbers ---


def trade(seq: int, name: str = venue.OPTION) -> OptionTrade:
    return option_trade(venue.trade_data(name, seq), is_backfill=False)


def test_a_jump_of_the_trade_number_is_a_gap_before_the_trade():
    world = Venue()
    world.settle()
    assert kinds(world.say(venue.trades(venue.trade_data(seq=7)))) == ["OptionTrade"]
    gap, later = world.say(venue.trades(venue.trade_data(seq=11)))
    assert gap == ev.TradeGap(venue.OPTION, 8, 10)
    assert isinstance(later, OptionTrade)
    assert kinds(world.say(venue.trades(venue.trade_data(seq=12), venue.trade_data(seq=11)))) == ["OptionTrade"] * 2


def test_a_gap_over_a_reconnect_is_seen():
    world = Venue()
    world.settle()
    world.say(venue.trades(venue.trade_data(seq=7)))
    world.session.disconnected(world.now, "reset")
    world.settle()
    events = world.say(venue.trades(venue.trade_data(seq=9)))
    assert ev.TradeGap(venue.OPTION, 8, 8) in events


def test_order_within_a_message_makes_no_gap():
    assert Sequences(10).gaps([trade(9), trade(8), trade(7)]) == []
    sequences = Sequences(10)
    assert sequences.gaps([trade(1), trade(1, venue.OTHER)]) == []
    assert sequences.gaps([trade(4), trade(3, venue.OTHER), trade(2)]) == [
        ev.TradeGap(venue.OTHER, 2, 2),
        ev.TradeGap(venue.OPTION, 3, 3),
    ]


def test_a_wrong_trade_number_neither_makes_a_giant_gap_nor_hides_the_next_one():
    sequences = Sequences(10)
    sequences.gaps([trade(7)])
    assert sequences.gaps([trade(7 + LARGEST_GAP + 1)]) == []
    assert sequences.gaps([trade(8)]) == []
    assert sequences.gaps([trade(10)]) == [ev.TradeGap(venue.OPTION, 9, 9)]


def test_trade_numbers_are_kept_for_a_bounded_number_of_instruments():
    sequences = Sequences(1)
    sequences.gaps([trade(1), trade(1, venue.OTHER)])
    assert sequences.gaps([trade(5, venue.OTHER)]) == []
    assert sequences.gaps([trade(5)]) == [ev.TradeGap(venue.OPTION, 2, 4)]


def test_a_channel_dropped_while_asked_for_is_neither_confirmed_nor_asked_again():
    subscriptions = Subscriptions(250, 3)
    subscriptions.want(["a", "b"])
    batch = subscriptions.next_batch()
    assert subscriptions.drop(["a"]) == ["a"]
    subscriptions.confirm(batch, ["b"])
    assert subscriptions.confirmed == ("b",)
    assert subscriptions.is_settled
