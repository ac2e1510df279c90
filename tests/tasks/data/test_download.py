"""Every source, every way a source fails, and what is left behind: against a server of our own, never the internet."""

import contextlib
import gzip
import hashlib
import io
import logging
import os
import socket
import struct
import threading
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests  # noqa: F401 - imported here, not within a test's time limit
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect import flow

from wattcast.model.errors import InputError
from wattcast.tasks.data import download as module
from wattcast.tasks.data import files
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import (
    NetworkError,
    Raw,
    TransientError,
    download,
    download_task,
    fetch,
    fetch_task,
    read_ahead,
)
from wattcast.tasks.data.uci import UCI_COLUMNS


def make_csv(rows=4000, columns=("Appliances", "lights")):
    times = pd.date_range("2016-01-11 17:00", periods=rows, freq="10min").strftime("%Y-%m-%d %H:%M:%S")
    lines = [",".join(f'"{name}"' for name in ("date", *columns))]
    lines += [",".join([f'"{t}"', *(f'"  {i % 50 + 10}"' for _ in columns)]) for i, t in enumerate(times)]
    return ("\r\n".join(lines) + "\r\n").encode()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # of a fixed date: the same bytes in each process
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return file.getvalue()


def short(value):
    """The name of a parameter in a test's id."""
    return f"{len(value)}-bytes" if isinstance(value, bytes) else None


CSV = make_csv()
SHA256 = hashlib.sha256(CSV).hexdigest()
ZIP = zipped(**{"energydata_complete.csv": CSV})
HALF = len(CSV) // 2
patient = partial(fetch, sha256=SHA256, patience_s=20)


def brisk(url):
    """Patient, but not with an address that is known to keep its client waiting."""
    return patient(url, patience_s=0.5 if "stall" in url or "trickle" in url else 20)


class Handler(BaseHTTPRequestHandler):
    """Answers each path in its own bad way."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.hits[self.path] += 1
        getattr(self, "answer_" + self.path.strip("/").replace("-", "_"))()

    def give(self, body, *, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_csv(self):
        self.give(CSV)

    def answer_zip(self):
        self.give(ZIP)

    def answer_slow_zip(self):
        time.sleep(0.2)
        self.give(ZIP)

    def answer_gzip_encoding(self):
        self.give(gzip.compress(CSV), **{"Content-Encoding": "gzip"})

    def answer_redirect(self):
        self.give(b"", status=302, Location="/zip")

    def answer_endless_redirect(self):
        self.give(b"", status=302, Location="/endless-redirect")

    def answer_missing(self):
        self.give(b"gone", status=404)

    def answer_broken(self):
        self.give(b"oops", status=500)

    def answer_twice_broken(self):
        if self.server.hits[self.path] > 2:
            self.give(ZIP)
        else:
            self.give(b"oops", status=503)

    def answer_truncated(self):
        self.give(CSV[:HALF], length=len(CSV))

    def answer_truncated_zip_without_length(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ZIP[: len(ZIP) // 2])

    def answer_too_short_a_length(self):
        self.give(CSV, length=HALF)

    def answer_nonsense_length(self):
        self.give(CSV, length="many")

    def answer_reset(self):
        self.give(CSV[:HALF], length=len(CSV))
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def answer_hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer_stall(self):
        self.server.stop.wait(20)

    def answer_stall_half_way(self):
        self.give(CSV[:HALF], length=len(CSV))
        self.wfile.flush()
        self.server.stop.wait(20)

    def answer_trickle(self):
        self.send_response(200)
        self.end_headers()
        self.drip()

    def answer_trickle_headers(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        self.drip()

    def drip(self):
        while not self.server.stop.wait(0.1):
            self.wfile.write(b"a")
            self.wfile.flush()

    def answer_endless(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.stop.is_set():
            self.wfile.write(bytes(2**16))

    def answer_wrong(self):
        self.give(b"<html>please log in</html>")

    def answer_changed(self):
        self.give(CSV.replace(b"10", b"11"))

    def answer_bomb(self):
        self.give(zipped(**{"a.csv": bytes(2**24)}))

    def answer_evil_name(self):
        self.give(zipped(**{"../../evil.csv": CSV, "/etc/evil": b"x"}))

    def answer_two_files(self):
        self.give(zipped(**{"a.csv": CSV, "b.csv": CSV}))


class Server(ThreadingHTTPServer):
    """Counts requests; a client that leaves early is no news."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hits, self.stop = Counter(), threading.Event()

    def handle_error(self, request, client_address):
        pass

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.stop.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in os.environ:
        if name == "WATTCAST_DATA" or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tiny_house(monkeypatch):
    frame = pd.DataFrame({"date": ["2016-01-11 17:00:00"], "Appliances": [60.0]})
    monkeypatch.setattr("wattcast.tasks.data.simulate.simulate", lambda: frame)
    return frame


@pytest.fixture
def get(server, tmp_path):
    """`download` with sources named by what they do, as a call with everything else filled in."""

    def get(source, *names):
        urls = [server.url(name) for name in names]
        return download(source, cache=tmp_path / "data" / "uci.csv", urls=urls, sha256=SHA256, fetch=brisk)

    return get


def cached(folder):
    return sorted(path.name for path in folder.glob("data/*"))


# --- one attempt at one address


@pytest.mark.parametrize("name", ["csv", "zip", "redirect", "gzip-encoding", "evil-name"])
def test_fetch_gives_the_csv_however_it_is_packed(server, name):
    assert patient(server.url(name)) == CSV


@pytest.mark.parametrize("name", ["broken", "truncated", "reset", "hang-up"])
def test_a_fault_that_may_pass_is_transient(server, name):
    with pytest.raises(TransientError):
        patient(server.url(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "gave no file: 404 Client Error: Not Found"),
        ("endless-redirect", "Exceeded 30 redirects"),
        ("nonsense-length", "gave no file"),
        ("stall", "sent less than 64 KiB within 0.5 seconds"),
        ("stall-half-way", "sent less than 64 KiB within 0.5 seconds"),
        ("trickle", "sent less than 64 KiB within 0.5 seconds"),
        ("trickle-headers", "sent less than 64 KiB within 0.5 seconds"),
    ],
)
def test_a_source_that_does_not_serve_is_given_up_and_not_tried_again(server, name, reason):
    begin = time.monotonic()
    with pytest.raises(NetworkError, match=reason) as caught:
        brisk(server.url(name))
    assert not isinstance(caught.value, TransientError)
    assert time.monotonic() - begin < 3


def test_a_refused_connection_and_an_unknown_host_are_no_transient_faults():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{unused.getsockname()[1]}/", "http://nowhere.invalid/", "http://[::bad/"]
        for url in urls:
            with pytest.raises(NetworkError, match=r"gave no file: .") as caught:
                fetch(url)
            assert not isinstance(caught.value, TransientError)


def test_the_default_patience_gives_two_silent_sources_up_within_ten_seconds():
    assert len(module.URLS) * module.PATIENCE_S < 10


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong", f"sent another file, 26 bytes with SHA-256 [0-9a-f]{{64}}, wanted {SHA256}"),
        ("changed", "sent another file"),
        ("too-short-a-length", "sent another file"),
        ("truncated-zip-without-length", "the archive cannot be unpacked"),
        ("two-files", "the archive must hold one .csv file, received 2"),
        ("bomb", "more than 1,000,000 bytes"),
        ("endless", "sent more than 1000000 bytes"),
    ],
)
def test_another_file_is_refused(server, name, reason):
    with pytest.raises(InputError, match=reason):
        patient(server.url(name), cap_bytes=1_000_000)


def test_a_progress_bar_shows_on_a_terminal_only(server, monkeypatch, capsys):
    patient(server.url("csv"))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    patient(server.url("csv"))
    assert "100%" in capsys.readouterr().err


# --- the order of sources, and the cache


def test_the_first_source_that_serves_is_read_and_cached(get, server, tmp_path):
    raw = get("uci", "missing", "zip", "csv")
    assert (raw.source, raw.origin, raw.sha256) == ("uci", server.url("zip"), SHA256)
    assert list(raw.frame) == ["date", "Appliances", "lights"]
    assert raw.frame["Appliances"].dtype == np.int64
    assert len(raw.frame) == 4000
    assert cached(tmp_path) == ["uci.csv"]
    assert (tmp_path / "data" / "uci.csv").read_bytes() == CSV
    assert server.hits == {"/missing": 1, "/zip": 1}


def test_a_sound_cache_needs_no_network(get, server, tmp_path):
    first, again = get("auto", "zip"), get("auto", "zip")
    assert server.hits == {"/zip": 1}
    assert (again.source, again.origin) == ("uci", str(tmp_path / "data" / "uci.csv"))
    pd.testing.assert_frame_equal(first.frame, again.frame)


@pytest.mark.parametrize("content", [b"", CSV[:HALF], CSV + b"x", ZIP[:100]], ids=short)
def test_a_damaged_cache_is_never_used_and_is_replaced(get, tmp_path, caplog, content):
    cache = tmp_path / "data" / "uci.csv"
    cache.parent.mkdir()
    cache.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(get("uci", "zip").frame) == 4000
    assert "fetching it again" in caplog.text
    assert cache.read_bytes() == CSV


def test_a_damaged_cache_is_not_used_where_nothing_answers(get, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "uci.csv").write_bytes(CSV[:-1])
    with pytest.raises(InputError, match="no source gave it"):
        get("uci", "missing")


@pytest.mark.parametrize(
    "name", ["truncated", "wrong", "changed", "stall-half-way", "bomb", "truncated-zip-without-length"]
)
def test_what_is_not_the_file_leaves_nothing_in_the_cache(get, tmp_path, name):
    with pytest.raises(InputError):
        get("uci", name)
    assert cached(tmp_path) == []


def test_a_half_written_file_of_a_killed_download_is_harmless(get, tmp_path, monkeypatch):
    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", kill)
        killed.setattr(Path, "unlink", lambda *_, **__: None)  # nothing cleans up after a kill
        with pytest.raises(KeyboardInterrupt):
            get("uci", "zip")
    (left,) = cached(tmp_path)
    (tmp_path / "data" / left).write_bytes(CSV[:HALF])
    assert get("uci", "zip").frame.shape == (4000, 3)
    assert cached(tmp_path) == [left, "uci.csv"]


def test_a_cache_that_cannot_be_written_costs_a_warning_only(get, tmp_path, caplog):
    (tmp_path / "data").write_text("a file where the folder should be")
    assert get("uci", "zip").source == "uci"
    assert "cannot be cached" in caplog.text
    (tmp_path / "data").unlink()
    (tmp_path / "data" / "uci.csv").mkdir(parents=True)
    assert get("uci", "zip").source == "uci"
    assert cached(tmp_path) == ["uci.csv"]


def test_downloads_at_once_all_end_well(get, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        raws = list(pool.map(lambda _: get("uci", "slow-zip"), range(4)))
    assert {len(raw.frame) for raw in raws} == {4000}
    assert cached(tmp_path) == ["uci.csv"]
    assert (tmp_path / "data" / "uci.csv").read_bytes() == CSV


# --- what auto, uci and simulated do when nothing serves


def test_uci_names_each_source_its_reason_and_the_way_out(get, server):
    with pytest.raises(InputError) as caught:
        get("uci", "missing", "stall")
    text = str(caught.value)
    assert f"{server.url('missing')} gave no file: 404 Client Error: Not Found" in text
    assert f"{server.url('stall')} sent less than 64 KiB within 0.5 seconds" in text
    assert "name a file with --data PATH, or use --data simulated" in text


def test_auto_takes_the_simulated_house_when_no_source_serves(get, tiny_house, caplog, tmp_path):
    raw = get("auto", "missing", "broken")
    assert raw.frame is tiny_house
    assert (raw.source, raw.origin) == ("simulated", "simulated house")
    assert "gave no file: 404 Client Error: Not Found" in caplog.text
    assert "its scores say nothing about the real one" in caplog.text
    assert cached(tmp_path) == []


def test_auto_does_not_hide_a_wrong_file_behind_the_simulated_house(get, tiny_house):
    with pytest.raises(InputError, match="sent another file"):
        get("auto", "wrong", "missing")


def test_simulated_asks_nobody_and_digests_its_values(get, server, tiny_house):
    first = get("simulated", "zip")
    assert first.source == "simulated"
    assert server.hits == {}
    assert len(first.sha256) == 64
    assert get("simulated").sha256 == first.sha256
    tiny_house.loc[0, "Appliances"] = 70.0
    assert get("simulated").sha256 != first.sha256


def test_the_simulated_house_has_the_columns_of_the_real_one():
    assert list(download("simulated").frame) == ["date", *UCI_COLUMNS]


# --- WATTCAST_DATA


@pytest.mark.parametrize("content", [CSV, ZIP], ids=short)
def test_the_variable_stands_for_the_uci_file(get, server, tmp_path, monkeypatch, content):
    copy = tmp_path / "copy.bin"
    copy.write_bytes(content)
    monkeypatch.setenv("WATTCAST_DATA", str(copy))
    for raw in (get("auto", "zip"), get("uci", "zip")):
        assert (raw.source, raw.origin, raw.sha256, len(raw.frame)) == ("uci", str(copy), SHA256, 4000)
    assert server.hits == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (make_csv(10), "is not the UCI file"),
        (b"PK\3\4", "cannot be unpacked"),
        ("dir", "folder"),
    ],
    ids=short,
)
def test_a_variable_that_names_no_copy_is_an_error(get, tmp_path, monkeypatch, content, reason):
    copy = tmp_path / "copy.csv"
    if content == "dir":
        copy.mkdir()
    elif content is not None:
        copy.write_bytes(content)
    monkeypatch.setenv("WATTCAST_DATA", str(copy))
    with pytest.raises(InputError, match=reason) as caught:
        get("auto", "zip")
    assert "for a file of your own use --data PATH" in str(caught.value)
    assert "copy.csv" in str(caught.value)


def test_a_file_that_the_user_names_goes_before_the_variable(get, tmp_path, monkeypatch):
    monkeypatch.setenv("WATTCAST_DATA", str(tmp_path / "absent"))
    (tmp_path / "mine.csv").write_bytes(make_csv(7))
    assert len(get(str(tmp_path / "mine.csv")).frame) == 7
    monkeypatch.setenv("WATTCAST_DATA", "")
    assert len(get("uci", "csv").frame) == 4000


# --- files of the user's


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", CSV),
        ("MINE.CSV", CSV),
        ("mine.csv.gz", gzip.compress(CSV)),
        ("mine.zip", ZIP),
        ("mac.zip", zipped(**{"x/mine.csv": CSV, "__MACOSX/x/._mine.csv": b"\0", "readme.txt": b"hi"})),
        ("evil.zip", zipped(**{"../../evil.csv": CSV})),
        ("bom.csv", b"\xef\xbb\xbf" + CSV),
    ],
    ids=short,
)
def test_a_file_of_the_users_is_read(get, tmp_path, name, content):
    path = tmp_path / "in" / "deep" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    raw = get(str(path))
    assert (raw.source, raw.origin) == ("file", str(path))
    assert raw.sha256 == hashlib.sha256(content).hexdigest()
    assert list(raw.frame) == ["date", "Appliances", "lights"]
    assert raw.frame["lights"].tolist()[:3] == [10, 11, 12]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [path]


def test_parquet_is_read(get, tmp_path):
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=3, freq="h"), "Appliances": [1.0, 2.0, 3.0]})
    path = tmp_path / "mine.parquet"
    frame.to_parquet(path)
    raw = get(str(path))
    pd.testing.assert_frame_equal(raw.frame, frame)
    assert raw.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.csv", None, "cannot be read: No such file or directory"),
        ("empty.csv", b"", "holds no rows: it is empty"),
        ("header.csv", b"date,Appliances\n", "no column holds numbers or time stamps"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "the last line has 3 of 2 fields: .1 . 2 . 3."),
        ("broken.parquet", b"PAR1 no", "'.*broken.parquet' cannot be read: .*Parquet"),
        ("broken.zip", ZIP[: len(ZIP) // 2], "the archive cannot be unpacked: File is not a zip file"),
        ("flipped.zip", ZIP[:100] + b"????" + ZIP[104:], "the archive cannot be unpacked"),
        ("broken.csv.gz", gzip.compress(CSV)[:-20], "the archive cannot be unpacked: Compressed file ended"),
        ("none.zip", zipped(**{"readme.txt": b"hi"}), "the archive holds no table: none of its files ends in"),
        ("bare.zip", zipped(), "the archive holds no table: none of its files ends in"),
        (
            "two.zip",
            zipped(**{"a.csv": CSV, "b.CSV": CSV}),
            "the archive holds 2 tables, .a.csv., .b.CSV.: say which with file.table",
        ),
        ("old.xls", ZIP, r"data must be auto, uci, simulated, or the path of a file that ends in \.csv, .*xls'"),
        ("simulate", None, "received 'simulate': did you mean 'simulated'"),
        ("nul\0.csv", None, "embedded null byte"),
        ("x" * 300 + ".csv", None, "File name too long"),
        ("~nobody-here/x.csv", None, "Could not determine home directory"),
        ("", None, "received ''"),
    ],
    ids=short,
)
def test_a_file_that_cannot_be_read_is_one_clear_error(get, tmp_path, name, content, reason):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        get(name)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_file_that_was_read_ahead_is_handed_over_once(tmp_path):
    mine, other = tmp_path / "mine.csv", tmp_path / "other.csv"
    for path in (mine, other):
        path.write_bytes(CSV)
    ahead = read_ahead(str(mine))
    assert download(str(other)) is not ahead
    assert download(str(mine)) is ahead
    again = download(str(mine))
    assert again is not ahead
    pd.testing.assert_frame_equal(again.frame, ahead.frame)
    assert (again.source, again.origin, again.sha256) == (ahead.source, ahead.origin, ahead.sha256)


@pytest.mark.parametrize("content", [make_csv(3999), CSV.replace(b"  10", b"  11")], ids=["shorter", "other values"])
def test_a_file_that_has_changed_since_it_was_read_ahead_is_read_anew(tmp_path, content):
    mine = tmp_path / "mine.csv"
    mine.write_bytes(CSV)
    read_ahead(str(mine))
    time.sleep(0.01)  # a clock of files ticks more slowly than a processor
    mine.write_bytes(content)
    assert download(str(mine)).sha256 == hashlib.sha256(content).hexdigest()


def test_of_two_files_that_were_read_ahead_the_last_one_is_kept(tmp_path):
    names = [str(tmp_path / name) for name in ("one.csv", "two.csv")]
    for name in names:
        Path(name).write_bytes(CSV)
    one, two = map(read_ahead, names)
    assert (download(names[1]) is two, download(names[0]) is one) == (True, False)
    with pytest.raises(InputError, match=r"'nosuch.csv' cannot be read"):
        read_ahead("nosuch.csv")


def test_folders_devices_and_forbidden_files_are_refused(get, tmp_path, monkeypatch):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("folder.csv", "pipe.csv"):
        with pytest.raises(InputError, match="it is a folder or a device"):
            get(str(tmp_path / name))
    (tmp_path / "mine.csv").write_bytes(CSV)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"mine.csv' cannot be read: Permission denied"):
        get(str(tmp_path / "mine.csv"))


@pytest.mark.parametrize(
    ("name", "pack"), [("bomb.zip", lambda csv: zipped(**{"a.csv": csv})), ("bomb.csv.gz", gzip.compress)]
)
def test_a_bomb_is_cut_off(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(bytes(2**24)))
    with pytest.raises(
        InputError, match=r"more than 1,048,576 bytes. Leave some out, or raise file.most_mib, which is 1"
    ):
        download(str(tmp_path / name), Dialect(most_mib=1))


HEADERS = [*range(4, 60), *range(-140, 0)]


@settings(deadline=None)  # a busy machine is no fault
@given(st.dictionaries(st.sampled_from(HEADERS), st.integers(0, 255), max_size=6))
def test_a_zip_with_damaged_headers_gives_the_csv_or_one_error(changes):
    archive = bytearray(ZIP)
    for place, value in changes.items():
        archive[place] = value
    with contextlib.suppress(InputError):
        assert files.unpack(io.BytesIO(archive), len(CSV)) == CSV


@settings(deadline=None)  # a busy machine is no fault
@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08\0", b"PAR1", ZIP[:60]]))
def test_any_bytes_give_a_frame_or_one_error(tmp_path_factory, tail, head):
    for suffix in (".csv", ".parquet"):
        path = tmp_path_factory.getbasetemp() / f"any{suffix}"
        path.write_bytes(head + tail)
        with contextlib.suppress(InputError):
            assert isinstance(download(str(path)), Raw)


# --- Prefect


@pytest.mark.usefixtures("prefect_server")
def test_the_tasks_try_again_after_a_transient_error_and_only_then(server, tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_bytes(make_csv(7))
    cache = tmp_path / "data" / "uci.csv"
    known = partial(fetch_task.with_options(retry_delay_seconds=0), sha256=SHA256)

    @flow(log_prints=False)
    def read():
        mine = download_task("mine.csv")
        urls = [server.url(name) for name in ("missing", "wrong", "broken", "twice-broken", "csv")]
        return mine, download("uci", cache=cache, urls=urls, sha256=SHA256, fetch=known)

    mine, raw = read()
    assert (mine.source, len(mine.frame)) == ("file", 7)
    assert (raw.source, raw.origin) == ("uci", server.url("twice-broken"))
    assert server.hits == {"/missing": 1, "/wrong": 1, "/broken": 3, "/twice-broken": 3}


def test_the_download_task_fetches_with_retries(monkeypatch):
    called = {}
    monkeypatch.setattr(module, "download", lambda source, dialect, **options: called.update(options, source=source))
    download_task.fn("uci")
    assert called == {"source": "uci", "cache": module.CACHE, "fetch": fetch_task}


# --- the real file


def test_the_real_file_is_read_as_described(real_file, monkeypatch, tmp_path):
    monkeypatch.setenv("WATTCAST_DATA", str(real_file))
    raw = download("uci")
    assert (raw.source, raw.sha256, raw.frame.shape) == ("uci", module.SHA256, (19_735, 29))
    assert list(raw.frame) == ["date", *UCI_COLUMNS]
    assert raw.frame.iloc[0][["date", "Appliances", "T6"]].tolist() == ["2016-01-11 17:00:00", 60, 7.02666666666667]
    assert not raw.frame.isna().any().any()
    assert {dtype.kind for dtype in raw.frame.dtypes[1:]} == {"i", "f"}
    module._keep(files.read_file(real_file), tmp_path / "cache.csv")
    monkeypatch.delenv("WATTCAST_DATA")
    assert download("auto", cache=tmp_path / "cache.csv", urls=[]).sha256 == module.SHA256
