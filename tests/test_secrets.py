"""Tests of llmtrace.secrets."""

from __future__ import annotations

import json
import time

import pytest
from secret_canaries import ALNUM, BY_NAME, BY_VALUE, HEX, TRACES

from llmtrace.secrets import Suspicion, environment_secrets, looks_random, mark, redact, secret_name, suspected

CLEAN = [
    "the court session ended and the token was a unit of text",
    "Token: a piece of a word. A secret: the sauce. Password: see the vault, please.",
    "session.id session_id sessions",
    '{"max_tokens": 800, "total_tokens": 12, "prompt_tokens": 4, "token_count": 3}',
    '{"token": " Hello", "logprob": -0.31, "bytes": [72, 101]}',
    '{"logprobs": [{"token": "international"}, {"token": "##ing"}, {"token": "</s>"}]}',
    '{"type": "object", "properties": {"password": {"type": "string", "description": "The password."}}}',
    '{"password": null, "secret": true, "cookie": ""}',
    "sk-learn-based-classification and task-sk-oriented-risk-averse work",
    "call_8Jd72nsHqpoeXlHmDvcSkK2a gpt-4o-2024-08-06 chatcmpl-9Xk2PqRstUvWxYz012345678",
    "0af7651916cd43dd8448eb211c80319c 123e4567-e89b-12d3-a456-426614174000",
    "0.4111111111111111 and 1700000000000000000 ns and 4111111111111112",
    "bearer of bad news, basic understanding, Basic HTML",
    "https://example.org:8080/users/me@example.org?page=2&code=200#top",
    "mail alice@example.org or ssh://git@example.org/repo.git",
    "client = OpenAI(api_key=get_key(), password=os.environ['X'])",
    "Authorization: required for all staff",
    "Cookie: a short story about biscuits",
    "primary_key=17 foreign_key=18 sort_key: name cache_key: users:17",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "eyJ is how JSON in base64 begins",
    "[redacted:password] password=[redacted:password]",
    "git clone git@github.com:acme/llmtrace.git and git@gitlab.example.org:group",
    "scp report.txt alice@db.example.org:backup/ && ssh alice@db.example.org:2222",
    "http://alice@example.org:8080/path mailto:alice@example.org: hello",
    "mysql -P 3306 -h db app; psql -p 5432; mkdir -p a/b; nginx -p /etc",
    "docker run -p 8080:80 image; docker login registry.example.org",
    "cargo test -p llmtrace; grep -a pattern file; curl -u alice https://example.org",
    "grandpa-rt of-pa-rt-of-a-very-long-name-of-many-words-in-the-cluster-of-2024-and pa-PA",
    "pa-kubernetes-deployment-name-with-a-hash-7d9f8b6c5d-x2x4z-eu-central-1a",
    "pa-Some-Long-Title-Of-A-Page-Which-Is-Written-In-2024-With-Hyphens",
    "dapi is no word, dapi0123456789 no token, https://x.org/dapi/list",
    "q=%7B%22max_tokens%22%3A%22800%22%2C%22user%22%3A%22alice%22%7D&a=1",
    "live_connections and is_live_streaming_enabled, db_live_migrations",
    "",
]


@pytest.mark.parametrize("kind", BY_VALUE)
@pytest.mark.parametrize(
    "around", ["{}", "before {} after", "({})", '"{}"', "x\n{}\ny", "\u00e9{}\u00e9 ", "a={} ", "[31m{}", "<b>{}</b>"]
)
def test_a_secret_that_betrays_itself_is_hidden_wherever_it_stands(kind, around):
    """Of a secret no piece is left, whatever stands around it."""
    hidden = redact(around.format(BY_VALUE[kind]))
    assert "[redacted:" in hidden
    assert [piece for piece in TRACES if piece in hidden] == []


@pytest.mark.parametrize("kind", BY_VALUE)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_secret_inside_json_is_hidden_and_the_json_stays_valid(kind, levels):
    """Also where JSON stands in a string of JSON, in which line breaks and quotes are escaped."""
    text = f"see:\n{BY_VALUE[kind]}\nend"
    for _ in range(levels):
        text = json.dumps({"messages": [{"role": "user", "content": text}]})
    hidden = redact(text)
    assert [piece for piece in TRACES if piece in hidden] == []
    assert json.loads(hidden)["messages"][0]["role"] == "user"


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "token"])
@pytest.mark.parametrize(
    "form",
    [
        '{{"a": 1, "{}": "plainvalue7", "b": 2}}',
        '{{"{}" : "plain\\"value7 \\\\"}}',
        '{{"{}": ["x", {{"y": "plainvalue7 ]}}"}}], "b": 2}}',
        '{{"{}": 12345678}}',
        '{{"arguments": "{{\\"{}\\": \\"plainvalue7\\"}}"}}',
        '{{"a": "{{\\"b\\": \\"{{\\\\\\"{}\\\\\\": \\\\\\"plain\\\\\\\\\\\\\\"value7\\\\\\"}}\\"}}"}}',
        "{{'{}': 'plainvalue7', 'b': 2}}",
        "{{'{}': \"plainvalue7\"}}",
        "{{b'{}': b'plainvalue7'}}",
        '[["{}", "plainvalue7"], ["b", "c"]]',
        "[(b'{}', b'plainvalue7')]",
        '{{"name": "{}", "value": "plainvalue7"}}',
        "{}=plainvalue7",
        "{}='plainvalue7'",
        "<{}>plainvalue7</{}>",
        '{} := "plainvalue7"',
        "{} => 'plainvalue7'",
        "q=%7B%22{}%22%3A%22plain%5C%22value7%22%2C%22b%22%3A2%7D",
    ],
)
def test_the_value_of_a_secret_name_is_hidden_in_every_spelling(name, form):
    """JSON, JSON in JSON, Python, header pairs, HAR, assignments, XML: the value goes, the rest stays."""
    text = form.format(name, name)
    hidden = redact(text)
    assert "plain" not in hidden
    assert "value7" not in hidden
    assert "12345678" not in hidden
    assert name in hidden
    if text[0] in "{[" and '"' in text[:4]:
        assert len(json.loads(hidden)) == len(json.loads(text))


@pytest.mark.parametrize("text", CLEAN)
def test_ordinary_text_is_handed_back_as_it_is(text):
    """A word that sounds like a secret is none: the very same object comes back."""
    assert redact(text) is text


@pytest.mark.parametrize("text", [text for text in CLEAN if not set(text) & set(":=-")])
def test_text_without_a_sign_costs_one_look(text):
    """No rule but the first look sees it."""
    assert suspected(text) in (Suspicion(0), Suspicion.TOKEN, Suspicion.CREDENTIALS, Suspicion.CARD)


@pytest.mark.parametrize("text", [*CLEAN, *BY_VALUE.values()])
def test_a_look_for_few_signs_finds_what_a_look_for_all_finds_of_them(text):
    """Each sign by itself is seen where all are looked for, and nowhere else."""
    everything = suspected(f"before\n{text}\nbehind")
    for sign in Suspicion:
        assert bool(suspected(text, sign)) <= (sign in everything)
        assert suspected(text, sign) == suspected(text) & sign


@pytest.mark.parametrize("name", BY_NAME)
def test_names_of_secrets_are_known(name):
    """Case and separators do not matter."""
    assert secret_name(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "llm.token_count.prompt",
        "llm.token_count.completion",
        "max_tokens",
        "session.id",
        "user.id",
        "gen_ai.token.type",
        "gen_ai.usage.input_tokens",
        "primary_key",
        "llmtrace.alert.key",
        "compass",
        "cookie_count",
        "password_length",
        "tokenizer",
        "author",
    ],
)
def test_names_of_no_secret_are_left_alone(name):
    """Counts, ids and words that only contain a secret's name."""
    assert secret_name(name) is None


@pytest.mark.parametrize("value", ["Hello", "international", "internationalization", " the", "12345678", "</s>", "été"])
def test_words_and_numbers_do_not_look_random(value):
    """Tokens of a language model are not mistaken for tokens of an API."""
    assert not looks_random(value)


@pytest.mark.parametrize("value", [ALNUM, HEX, "Zq7Xw2Rt", "CANARY-token-Secret", "canary-123"])
def test_keys_look_random(value):
    """A digit, or capitals and symbols, in one long word."""
    assert looks_random(value)


def test_a_mark_says_what_was_hit():
    """The kind, and nothing of the text."""
    assert redact(f"key {BY_VALUE['openai']}") == f"key {mark('openai_key')}"
    assert redact("key=Zq7Xw2Rt9&a=b&sig=c") == f"key={mark('api_key')}&a=b&sig={mark('signature')}"
    assert redact(BY_VALUE["url password"]) == f"postgresql://{mark('url_credentials')}@db.internal:5432/app"


def test_of_several_key_blocks_none_is_left():
    """One behind the other, as in a bundle, whole or cut."""
    block = BY_VALUE["private key"]
    assert redact(f"{block}\n{block} and\n{block[:-20]}\n") == (
        "[redacted:private_key]\n[redacted:private_key] and\n[redacted:private_key]"
    )


def test_known_values_are_hidden_wherever_they_occur():
    """Also inside of a word, and as JSON and URLs write them."""
    secret = 'correct horse "battery"'
    known = environment_secrets({"DB_PASSWORD": secret, "PATH": "/usr/bin:/bin", "SHORT_TOKEN": "abc1"})
    text = f"x{secret}x {json.dumps(secret)} correct%20horse%20%22battery%22"
    assert "horse" not in redact(text, known)
    assert all("/usr/bin" not in value for value in known)


def test_the_environment_yields_only_what_looks_like_a_secret():
    """Names decide; plain words and paths are not taken, passwords in URLs and values of header lists are."""
    known = environment_secrets(
        {
            "OPENAI_API_KEY": "Zq7Xw2Rt9Ls4Vb6",
            "DATABASE_URL": "postgres://u:Hunter2Hunter2@db/x",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20Abc123Abc123,x-y=z",
            "SECRET_FILE": "/run/secrets/thing",
            "APP_SECRET": "production-database",
            "TOKENIZERS_PARALLELISM": "false",
            "LANG": "de_DE.UTF-8 with 12 letters",
        }
    )
    assert known == ("Zq7Xw2Rt9Ls4Vb6", "Hunter2Hunter2", "Abc123Abc123")


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "sk-",
        "sk- ",
        "task-",
        "eyJ",
        "eyJ.",
        "://",
        "://a:b",
        "://a:b@",
        "?a=",
        "&key=b",
        "password:",
        "password:\n",
        "password: a, ",
        "password=a(",
        '"password":',
        '"password":"a",',
        '{"password":{',
        '{"password":{"type":"string","',
        '{\\"password\\": \\"a\\\\\\"',
        "\\",
        '"',
        '\\"',
        "1",
        "1-",
        "4111 ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----!",
        "bearer ",
        "Bearer a1b2c3d4 ",
        "--a ",
        "--token ",
        "[",
        "=",
        ":",
        "@",
        "//a@",
        "SG.",
        "cookie: a=b; ",
        "cookie: a b ",
        "Authorization: ",
        "authorization: x y ",
        "<password>",
        "\u0130",
        "token: '",
        'token: "\\',
        "['token', ",
        "%3F",
        "\\u0026a=",
        "'password': [",
        "ghp_",
        "AA",
        "key-",
        "SK0",
        "a@b.cd:",
        "a@b.cd:efghij",
        "@a.bc",
        "mysql -p",
        "mysql -pa ",
        "mysql ",
        "sshpass ",
        "docker login -p a ",
        "docker ",
        "redis-cli -a ",
        "curl -u a:",
        "_live_",
        "Q~",
    ],
)
def test_time_grows_with_the_text_and_not_faster(piece):
    """No input makes a rule slow: five times the text takes about five times as long, and a megabyte about a second.

    Of the second half the test holds only that it is no ten: the machines that it runs on are of all kinds.
    """
    small, large = (_seconds(piece * (size // len(piece))) for size in (40_000, 200_000))
    assert large < 1.5
    assert large < max(small, 0.002) * 15


def _seconds(text):
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        redact(text)
        best = min(best, time.thread_time() - start)
    return best
