"""`mpsrgan serve` without a server; the page itself is tested in tests/web."""

from contextlib import contextmanager

import pytest

from mpsrgan import cli
from mpsrgan.web import server


@pytest.mark.parametrize("host, told", [("0.0.0.0", True), ("127.0.0.1", False), ("localhost", False), (None, False)])
def test_a_page_that_others_can_reach_is_told(monkeypatch, capsys, host, told):
    served, waited = [], []

    @contextmanager
    def serving(weights, limits, *, host, port, backend):
        served.append(host)
        yield "http://page:7860"

    monkeypatch.setattr(server, "served", serving)
    monkeypatch.setattr(server, "wait", lambda: waited.append(True))
    assert cli.main(["serve", *(["--host", host] if host else [])]) == 0
    out, err = capsys.readouterr()
    warning = f"note: everyone who can reach {host} can use this page without a password\n"
    assert (warning in err) == ("without a password" in err) == told
    assert out.startswith("open http://page:7860 ") and served == [host or "127.0.0.1"] and waited == [True]
