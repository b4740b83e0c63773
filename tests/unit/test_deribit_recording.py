"""Recordings: our own format with all that can cut it off, the three foreign ones, and merging."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import zstandard
from click.testing import CliRunner

from streams.cli.inspect import command as inspect_command
from streams.deribit import events as ev
from streams.deribit.frames import without_secrets
from streams.deribit.inspection import Inspection
from streams.deribit.recording import Decoder, Frame, RecordingError, Writer, files_of, read
from tests import venue_frames as venue

NS = venue.NS


def write(path: Path, frames: list[Frame]) -> list[Frame]:
    with Writer(path, url="ws://somewhere") as writer:
        for frame in frames:
            writer.write(frame)
    return frames


def some_frames(n: int = 100) -> list[Frame]:
    return [Frame(NS + i, "in", venue.ticker(best_bid_price=0.05 + i)) for i in range(n)]


# --- our own format ---


def test_frames_come_back_as_written(tmp_path):
    texts = ["{}", 'a "quote" and a \\', "line\nbreak", "é\u2028", ""]
    directions = ("in", "out", "open", "http", "in")
    frames = [Frame(NS + i, d, text) for i, (d, text) in enumerate(zip(directions, texts, strict=True))]
    write(tmp_path / "a.jsonl.zst", frames)
    assert list(read(tmp_path / "a.jsonl.zst")) == frames


def test_a_recording_is_never_overwritten(tmp_path):
    write(tmp_path / "a.jsonl.zst", [])
    with pytest.raises(FileExistsError):
        Writer(tmp_path / "a.jsonl.zst")


def test_what_a_killed_recorder_had_flushed_can_be_read(tmp_path):
    """The process ends without closing the file: everything before the last flush is there."""
    path = tmp_path / "a.jsonl.zst"
    code = f"""
import os
from pathlib import Path
from streams.deribit.frames import Frame, Writer
writer = Writer(Path({str(path)!r}), flush_s=1.0)
for i in range(1000):
    writer.write(Frame(1_700_000_000_000_000_000 + i * 10_000_000, "in", "x" * 50 + str(i)))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    frames = list(read(path))
    # 100 frames a second, flushed every second: at most the last second is lost.
    assert [frame.text[50:] for frame in frames] == [str(i) for i in range(len(frames))]
    assert len(frames) >= 1000 - 101


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_gives_its_whole_frames(tmp_path, share):
    frames = write(tmp_path / "a.jsonl.zst", some_frames(5_000))
    data = (tmp_path / "a.jsonl.zst").read_bytes()
    (tmp_path / "b.jsonl.zst").write_bytes(data[: int(share * len(data))])
    found = list(read(tmp_path / "b.jsonl.zst"))
    assert found == frames[: len(found)]


def test_a_damaged_file_says_where(tmp_path):
    write(tmp_path / "a.jsonl.zst", some_frames(5_000))
    data = bytearray((tmp_path / "a.jsonl.zst").read_bytes())
    data[len(data) // 2 :] = b"\x00" * (len(data) - len(data) // 2)
    (tmp_path / "b.jsonl.zst").write_bytes(data)
    with pytest.raises(RecordingError, match="damaged at byte"):
        list(read(tmp_path / "b.jsonl.zst"))


def test_a_wrong_line_in_the_middle_is_an_error_and_a_later_version_too(tmp_path):
    lines = [b'{"format":"greekstream-recording","version":1,"url":""}', b"?", b'{"t":1,"d":"in","m":""}', b""]
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(b"\n".join(lines)))
    with pytest.raises(RecordingError, match="line 2"):
        list(read(tmp_path / "a.jsonl.zst"))
    (tmp_path / "b.jsonl.zst").write_bytes(zstandard.compress(lines[0].replace(b"1", b"2")))
    with pytest.raises(RecordingError, match="version 2"):
        list(read(tmp_path / "b.jsonl.zst"))


def test_credentials_are_masked_in_a_recording(tmp_path):
    auth = '{"method":"public/auth","params":{"client_id":"me","client_secret":"s3","x":1}}'
    token = '{"result":{"access_token": "t1","refresh_token":"t2","scope":"a"}}'
    write(tmp_path / "a.jsonl.zst", [Frame(NS, "out", auth), Frame(NS, "in", token)])
    written = "".join(frame.text for frame in read(tmp_path / "a.jsonl.zst"))
    assert not any(secret in written for secret in ('"me"', "s3", "t1", "t2"))
    assert json.loads(without_secrets(auth))["params"]["x"] == 1


# --- foreign formats ---

RAW = """wss://www.deribit.com/ws/api/v2 <-> 1626993723.424371
wss://www.deribit.com/ws/api/v2 <- 1626993723.7145221: {"jsonrpc":"2.0","id":0,"method":"public/subscribe","params":{"channels":["a"]}}
1626993723.84421: {"jsonrpc":"2.0","id":0,"result":["a"]}
1626993724.5: {"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.X.raw","data":{}}}
configuration: {"trades":[]}"""


def test_raw_text_is_read_with_exact_times(tmp_path):
    (tmp_path / "a.txt").write_text(RAW)
    frames = list(read(tmp_path / "a.txt"))
    assert [(frame.recv_ns, frame.direction) for frame in frames] == [
        (1_626_993_723_424_371_000, "open"),
        (1_626_993_723_714_522_100, "out"),
        (1_626_993_723_844_210_000, "in"),
        (1_626_993_724_500_000_000, "in"),
    ]
    assert frames[0].text == "wss://www.deribit.com/ws/api/v2"
    decoder = Decoder()
    events = [decoder.events(frame) for frame in frames]
    assert events == [[], [ev.Ignored("outgoing")], [ev.Ignored("subscribe answer")], [ev.Ignored("book.*")]]


def test_http_answers_are_known_by_their_url(tmp_path):
    body = json.dumps({"jsonrpc": "2.0", "result": [venue.instrument_row()]})
    url = "https://www.deribit.com/api/v2/public/get_instruments?currency=BTC&expired=false"
    (tmp_path / "a.txt").write_text(f"{url} -> 1626993723.25: {body}\n")
    (frame,) = read(tmp_path / "a.txt")
    (listed,) = Decoder().events(frame)
    assert isinstance(listed, ev.InstrumentList)
    assert (listed.currency, len(listed.instruments)) == ("BTC", 1)
    assert listed.instruments[0].ts_event_ns == 1_626_993_723_250_000_000


def test_a_line_of_raw_text_that_is_nothing_is_counted_not_lost(tmp_path):
    (tmp_path / "a.txt").write_text("1626993723.5: {}\nwhat is this\n")
    inspection = Inspection()
    for frame in read(tmp_path / "a.txt"):
        inspection.add(frame)
    assert (inspection.summary()["frames"], inspection.summary()["unreadable"]) == (2, 2)


def row(ms: int, index: float, estimate: float | None = None, name: str = venue.OPTION) -> bytes:
    data = venue.ticker_data(
        name, timestamp=ms, index_price=index, estimated_delivery_price=index if estimate is None else estimate
    )
    return orjson.dumps({**data, "bids": [[0.05, 1.0]], "asks": [], "change_id": 5})


def test_a_chain_becomes_the_frames_of_the_venue(tmp_path):
    rows = [row(venue.MS, 100.0), row(venue.MS + 1, 100.0), row(venue.MS + 2, 101.0, 100.5)]
    (tmp_path / "btc_day.jsonl.zst").write_bytes(zstandard.compress(b"\n".join(rows) + b"\n"))
    frames = list(read(tmp_path / "btc_day.jsonl.zst"))
    messages = [json.loads(frame.text)["params"] for frame in frames]
    ticker = f"ticker.{venue.OPTION}.100ms"
    index, estimate = "deribit_price_index.btc_usd", "estimated_expiration_price.btc_usd"
    assert [message["channel"] for message in messages] == [index, ticker, ticker, index, estimate, ticker]
    assert [frame.recv_ns for frame in frames] == [NS, NS, NS + 1_000_000, *[NS + 2_000_000] * 3]
    assert messages[3]["data"] == {"timestamp": venue.MS + 2, "price": 101.0, "index_name": "btc_usd"}
    assert messages[4]["data"]["price"] == 100.5
    # The ticker is the row without its book, and nothing else is lost or changed.
    wanted = orjson.loads(rows[2])
    for field in ("bids", "asks", "change_id"):
        del wanted[field]
    assert messages[5]["data"] == wanted


def test_a_part_of_a_chain_by_time(tmp_path):
    rows = [row(venue.MS + i, 100.0) for i in range(10)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(rows))
    frames = list(read(tmp_path / "a.jsonl", since_ns=NS + 3_000_000, until_ns=NS + 5_000_000))
    assert [frame.recv_ns for frame in frames] == [NS + 3_000_000, NS + 3_000_000, NS + 4_000_000]


def test_files_of_a_folder_are_merged_by_time(tmp_path):
    for name, first in (("btc.jsonl.zst", 0), ("eth.jsonl.zst", 1)):
        rows = [
            row(venue.MS + i, 100.0, name=venue.OPTION.replace("BTC", name[:3].upper())) for i in range(first, 10, 2)
        ]
        (tmp_path / name).write_bytes(zstandard.compress(b"\n".join(rows)))
    (tmp_path / "index.csv").write_text("not a recording")
    frames = list(read(tmp_path))
    times = [frame.recv_ns for frame in frames]
    assert times == sorted(times)
    assert len(frames) == 10 + 2
    assert [path.name for path in files_of(tmp_path)] == ["btc.jsonl.zst", "eth.jsonl.zst"]


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("timestamp,price\n1,2\n")
    for path in (tmp_path / "a.jsonl", tmp_path / "none.txt"):
        with pytest.raises(RecordingError, match=path.name):
            list(read(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="empty"):
        list(read(tmp_path / "empty"))


def test_the_decoder_learns_what_answers_answer_and_forgets_on_a_new_connection():
    decoder = Decoder()
    asked = json.dumps({"id": 5, "method": "public/get_time", "params": {}})
    decoder.events(Frame(1, "out", asked))
    assert decoder.events(Frame(2, "in", venue.answer(5, venue.MS))) == [ev.VenueTime(NS, 0, 2)]
    decoder.events(Frame(1, "out", asked))
    decoder.events(Frame(1, "open", "ws://x"))
    assert decoder.events(Frame(2, "in", venue.answer(5, venue.MS))) == [ev.Ignored("other answer")]


# --- greekstream inspect ---


def test_inspect_counts_every_frame_and_ends_with_one_json_object(tmp_path):
    frames = [
        Frame(NS, "open", "ws://x"),
        Frame(NS + 1, "out", json.dumps({"id": 1, "method": "public/subscribe", "params": {"channels": []}})),
        Frame(NS + 2, "in", venue.answer(1, [])),
        Frame(NS + 3, "in", venue.ticker()),
        Frame(NS + 4, "in", venue.trades(venue.trade_data(), venue.trade_data(seq=8), venue.trade_data(venue.FUTURE))),
        Frame(NS + 5, "in", venue.notification("book.X.raw", {})),
        Frame(NS + 6, "in", "?"),
        Frame(NS + 7, "in", venue.error(9, 11050)),
        Frame(NS + 8, "in", venue.notification(f"ticker.{venue.FUTURE}.raw", venue.future_data())),
    ]
    write(tmp_path / "a.jsonl.zst", frames)
    result = CliRunner().invoke(inspect_command, [str(tmp_path / "a.jsonl.zst"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout.strip().splitlines()[-1]) == {
        "frames": 8,
        "records": {"FutureTicker": 1, "OptionQuote": 1, "OptionTrade": 2},
        "ignored": {"book.*": 1, "error answer": 1, "outgoing": 1, "subscribe answer": 1, "trades.future": 1},
        "unreadable": 1,
        "first": NS + 2,
        "last": NS + 8,
        "instruments": 2,
    }
    table = CliRunner().invoke(inspect_command, [str(tmp_path / "a.jsonl.zst")])
    assert table.exit_code == 0
    assert "OptionTrade" in table.stdout


def test_inspect_of_what_is_no_recording_says_so(tmp_path):
    (tmp_path / "a.jsonl").write_text("1,2\n")
    result = CliRunner().invoke(inspect_command, [str(tmp_path / "a.jsonl"), "--json"])
    assert result.exit_code == 1
    assert "a.jsonl" in result.stderr
