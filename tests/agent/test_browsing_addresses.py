"""Which addresses may be gone to: origins, kinds of addresses, names that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.browsing_addresses import Atlas, kind_of, origin_in, place_of
from agent.settings import load
from agent.settings_files import FILE
from envs.errors import EnvError, Refused, UserError


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1", "public"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "never"),
        ("fe80::1%eth0", "never"),
        ("0.0.0.0", "never"),
        ("::", "never"),
        ("224.0.0.1", "never"),
        ("255.255.255.255", "never"),
        ("192.0.2.1", "never"),
    ],
)
def test_an_address_is_of_a_kind_however_it_is_written(address: str, kind: str) -> None:
    assert kind_of(address) == kind


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,hi",
        "chrome://settings",
        "ftp://a.example/",
        "https://user:secret@a.example/",
        "https://@a.example/",
        "https://a.example\\@evil.example/",
        "https://a.example /x",
        "https://a.example/\nHost: evil",
        "https://a.example:99999/",
        "https://",
        "https://*.example/",
        "a.example",
        "https://a.example/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_web_address_has_no_origin(url: str) -> None:
    assert origin_in(url) == ""
    with pytest.raises(UserError, match="is no web address; give one that begins with https://"):
        Atlas(["https://a.example"]).check(url)


def test_origins_are_spelled_in_one_way() -> None:
    spellings = ("HTTPS://A.Example", "https://a.example:443/", "https://a.example/x?y#z")
    assert {origin_in(one) for one in spellings} == {"https://a.example"}
    assert origin_in("https://bücher.example") == "https://xn--bcher-kva.example"
    assert place_of("http://[::1]:8000") == ("::1", 8000)
    assert place_of("http://[::1]") == ("::1", 80)


def test_a_public_name_that_leads_inside_is_refused() -> None:
    leads = {"ok.example": ["8.8.8.8"], "in.example": ["8.8.8.8", "127.0.0.1"]}
    leads["meta.example"] = ["169.254.169.254"]

    def resolve(host: str, _port: int) -> list[str]:
        if host not in leads:
            raise OSError("no such host")
        return leads[host]

    names = [
        "https://ok.example",
        "https://in.example",
        "https://meta.example",
        "https://no.example",
    ]
    atlas = Atlas(names, resolve=resolve)
    atlas.check("https://ok.example/a?b")
    with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1, .* \(browsing\.loopback = true\)"):
        atlas.check("https://in.example/")
    with pytest.raises(Refused, match=r"leads to 169\.254\.169\.254, .*; no setting allows that"):
        atlas.check("https://meta.example/")
    with pytest.raises(EnvError, match=r"no\.example is not found; check its spelling"):
        atlas.check("https://no.example/")
    with pytest.raises(Refused, match=r"https://evil\.example is not allowed; allowed are https"):
        atlas.check("https://evil.example/?q=secret")
    with pytest.raises(Refused, match=r"http://ok\.example is not allowed"):
        atlas.check("http://ok.example/")
    everything = Atlas(names, kinds=frozenset({"public", "loopback"}), resolve=resolve)
    everything.check("https://in.example/")


@pytest.mark.parametrize(
    ("browsing", "says"),
    [
        ({"allow": ["example.org"]}, "'example.org' is no origin; write https://HOST"),
        ({"allow": ["https://example.org/path"]}, "without path"),
        ({"allow": ["https://*.example.org"]}, "is no origin"),
        ({"allow": ["file:///"]}, "is no origin"),
        ({"allow": ["http://127.0.0.1:8000"]}, "set loopback = true besides"),
        ({"allow": ["http://localhost"]}, "set loopback = true besides"),
        ({"allow": ["http://10.0.0.1"], "loopback": True}, "set private = true besides"),
        ({"allow": ["http://169.254.169.254"], "private": True}, "no setting allows it"),
        ({"allow": ["https://a.example"], "idle_s": 0}, "greater than 0"),
    ],
)
def test_settings_that_can_not_be_are_one_line(
    tmp_path: Path, browsing: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match="setting browsing") as told:
        load(home=str(tmp_path), browsing=browsing)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_nothing_may_be_opened_by_default_and_no_working_folder_changes_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(home=str(tmp_path)).browsing.allow == ()
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / FILE).write_text('[browsing]\nallow = ["https://evil.example"]\n')
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=r"names web pages, .* move \[browsing\] to"):
        load(home=str(tmp_path / "home"))
