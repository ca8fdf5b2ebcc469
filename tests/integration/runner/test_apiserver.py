"""One kept-alive connection that outlives whatever happens to the other end."""

from collections.abc import Iterator

import pytest
from tests.integration.runner.faulty_server import Answer, Delay, Drop, FaultyServer

from penstock.runner import apiserver
from penstock.runner.apiserver import ApiServer, UnreachableError

PATH = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns/daily"


@pytest.fixture
def client(server: FaultyServer) -> Iterator[ApiServer]:
    client = ApiServer("127.0.0.1", port=server.port, credentials=server.credentials)
    yield client
    client.close()


def test_requests_share_one_connection(server: FaultyServer, client: ApiServer) -> None:
    for _ in range(3):
        assert client.get(PATH).ok

    assert server.connections == 1


def test_a_renewed_token_is_used_at_once(server: FaultyServer, client: ApiServer) -> None:
    client.get(PATH)
    (server.credentials / "token").write_text("token-2")
    client.get(PATH)

    assert server.tokens == ["Bearer token-1", "Bearer token-2"]


def test_a_connection_closed_while_idle_is_made_anew(
    server: FaultyServer, client: ApiServer
) -> None:
    client.get(PATH)
    server.stop()
    server.start()

    assert client.get(PATH).ok


def test_a_dropped_request_on_a_kept_connection_is_sent_again(
    server: FaultyServer, client: ApiServer
) -> None:
    client.get(PATH)
    server.faults["GET"].append(Drop())

    assert client.get(PATH).ok


def test_a_dropped_request_on_a_fresh_connection_is_unreachable(
    server: FaultyServer, client: ApiServer
) -> None:
    server.faults["GET"].append(Drop())

    with pytest.raises(UnreachableError):
        client.get(PATH)

    assert client.get(PATH).ok


def test_a_slow_answer_is_not_waited_for(server: FaultyServer, client: ApiServer) -> None:
    server.faults["GET"].append(Delay(1.0))

    with pytest.raises(UnreachableError, match="TimeoutError"):
        client.get(PATH, timeout=0.1)


def test_a_server_that_is_away_is_unreachable(server: FaultyServer, client: ApiServer) -> None:
    server.stop()

    with pytest.raises(UnreachableError, match="ConnectionRefusedError"):
        client.get(PATH)

    server.start()


def test_a_missing_token_is_no_crash(server: FaultyServer, client: ApiServer) -> None:
    (server.credentials / "token").unlink()

    with pytest.raises(UnreachableError, match="token"):
        client.get(PATH)


def test_the_time_that_the_server_asks_for_is_understood(
    server: FaultyServer, client: ApiServer
) -> None:
    server.faults["GET"].append(Answer(429, retry_after="7"))

    answer = client.get(PATH)

    assert (answer.status, answer.retry_after, answer.ok) == (429, 7.0, False)


@pytest.mark.parametrize("value", ["soon", "-3", "Fri, 20 Nov 2026 12:00:00 GMT"])
def test_a_strange_retry_after_is_no_crash(
    server: FaultyServer, client: ApiServer, value: str
) -> None:
    server.faults["GET"].append(Answer(503, retry_after=value))

    assert client.get(PATH).retry_after in (None, 0.0)


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[1]", b"", b"\xff\xfe"])
def test_an_answer_that_is_no_object_is_no_crash(
    server: FaultyServer, client: ApiServer, body: bytes
) -> None:
    server.faults["GET"].append(Answer(502, body=body))

    answer = client.get(PATH)

    assert answer.status == 502
    assert answer.sentence.startswith("502")


def test_the_certificate_is_checked(
    server: FaultyServer, client: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = FaultyServer(tmp_path_factory.mktemp("other"))
    stranger = ApiServer("127.0.0.1", port=server.port, credentials=other.credentials)

    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get(PATH)


def test_a_refusal_is_heard_twice_from_a_server_that_is_ready(
    server: FaultyServer, client: ApiServer
) -> None:
    server.faults["GET"].append(Answer(403))

    assert client.get(PATH).ok
    assert server.requests == [f"GET {PATH}", "GET /readyz", f"GET {PATH}"]


def test_a_refusal_that_a_ready_server_repeats_is_believed(
    server: FaultyServer, client: ApiServer
) -> None:
    server.faults["GET"] += [Answer(403)] * 2

    assert client.get(PATH).status == 403


def test_a_starting_server_forbids_nothing(server: FaultyServer, client: ApiServer) -> None:
    server.ready = False
    server.faults["GET"].append(Answer(403, body=b'{"message": "flowruns is forbidden"}'))

    answer = client.get(PATH)

    assert (answer.status, answer.sentence) == (503, "503 flowruns is forbidden")


def test_a_server_that_never_says_it_is_ready_is_believed_in_the_end(
    server: FaultyServer, client: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apiserver, "DOUBT_SECONDS", 0.0)
    server.ready = False
    server.faults["GET"] += [Answer(403)] * 2

    answers = [client.get(PATH).status for _ in range(2)]

    assert answers == [503, 403]


def test_what_a_server_allows_meanwhile_ends_the_doubts_about_it(
    server: FaultyServer, client: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apiserver, "DOUBT_SECONDS", 0.0)
    server.ready = False
    answers = []

    for _ in range(2):  # it starts twice
        server.faults["GET"].append(Answer(403))
        answers += [client.get(PATH).status for _ in range(2)]

    assert answers == [503, 200, 503, 200]
