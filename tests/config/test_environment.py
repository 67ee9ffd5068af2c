"""Environment variables: what is taken, and one sentence that names the variable for what cannot be."""

import os
import subprocess
import sys

import pytest

from config import environment
from config.environment import EnvironmentValueError
from tests.config.platform import ROOT

POSTGRES = "DATABASE_URL must be postgresql://user:password@host:port/name (special characters in the password as %xx)"
REDIS = "REDIS_URL must be redis://host:port/number, rediss://… or unix:///path?db=number"


def started(**values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=os.environ | values, capture_output=True, text=True
    )


def refusal(**values: str) -> str:
    """The sentence with which settings refuse to load."""
    code = (
        "from config.environment import EnvironmentValueError\n"
        "try:\n    import config.settings\n"
        "except EnvironmentValueError as error:\n    print(error)\n"
        "else:\n    print('taken')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | values, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "PORT must be a whole number from 1 to 65535, not 'abc'."),
        ("PORT", "99999", "PORT must be a whole number from 1 to 65535, not '99999'."),
        ("TOKEN_DAYS", "x", "TOKEN_DAYS must be a whole number from 1 to 36500, not 'x'."),
        ("TRAIN_PROCESSES", "-1", "TRAIN_PROCESSES must be a whole number from 1 to 1024, not '-1'."),
        ("WEB_WORKERS", "0", "WEB_WORKERS must be a whole number from 1 to 1024, not '0'."),
        ("WEB_THREADS", "1.5", "WEB_THREADS must be a whole number from 1 to 1024, not '1.5'."),
        ("PROXIES", "-1", "PROXIES must be a whole number from 0 to 100, not '-1'."),
        ("DATABASE_URL", "foo", f"{POSTGRES}, not 'foo'."),
        ("REDIS_URL", "bar", f"{REDIS}, not 'bar'."),
        (
            "SIGN_IN_RATE",
            "abc",
            "SIGN_IN_RATE must be a positive number a s, min, hour or day, such as 20/min, not 'abc'.",
        ),
        (
            "ARTIFACTS_URL",
            "nope://x",
            "ARTIFACTS_URL must be a folder or an fsspec URL such as s3://bucket/folder, not 'nope://x'.",
        ),
        ("HTTPS", "maybe", "HTTPS must be 1 or 0 (or true or false, yes or no, on or off), not 'maybe'."),
        ("DEBUG", "maybe", "DEBUG must be 1 or 0 (or true or false, yes or no, on or off), not 'maybe'."),
        ("LOG_LEVEL", "foo", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'foo'."),
        (
            "ALLOWED_HOSTS",
            "ok.org,https://x.org",
            "ALLOWED_HOSTS must be host names without scheme or port, parted by commas, not 'https://x.org'.",
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "x.org",
            "CSRF_TRUSTED_ORIGINS must be addresses such as https://label.example.org, parted by commas, not 'x.org'.",
        ),
        ("PLUMBLINE_VAR", "/dev/null/x", "PLUMBLINE_VAR must be a folder that can be written, not '/dev/null/x'."),
    ],
)
def test_settings_refuse_what_cannot_be(name, value, sentence):
    assert refusal(**{name: value}) == sentence


def test_the_command_line_prints_the_sentence_alone():
    done = started(PORT="abc")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "PORT must be a whole number from 1 to 65535, not 'abc'.\n"


def test_good_values_are_taken_and_empty_ones_count_as_unset():
    values = {
        "PORT": "",
        "HTTPS": "On",
        "LOG_LEVEL": "warning",
        "ALLOWED_HOSTS": " .example.org, [::1] ",
        "CSRF_TRUSTED_ORIGINS": "https://*.example.org:8443",
        "ARTIFACTS_URL": "memory://artifacts",
        "SIGN_IN_RATE": "5/hour",
    }
    code = (
        "from config import settings as s\n"
        "print(s.PORT, s.HTTPS, s.LOGGING['root']['level'], s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS, s.ARTIFACTS_URL, "
        "s.REST_FRAMEWORK['NUM_PROXIES'], s.REST_FRAMEWORK['DEFAULT_THROTTLE_RATES']['sign-in'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | values, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "8000 True WARNING ['.example.org', '[::1]'] ['https://*.example.org:8443'] memory://artifacts 1 5/hour\n"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///file", "'sqlite:///file'"),
        ("postgresql://ana:geheim@host:port/name", "'postgresql://…@host:port/name'"),
        ("postgresql://ana:ge/heim@host/name", "'postgresql://…@host/name'"),
        ("postgresql://ana:geheim@host:5432", "'postgresql://…@host:5432'"),
        ("ana:geheim@host/name?password=geheim", "'…@host/name'"),
        ("x" * 500, "'" + "x" * 58 + "…"),
    ],
)
def test_a_database_address_is_refused_without_its_password(monkeypatch, url, shown):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(EnvironmentValueError) as error:
        environment.database("DATABASE_URL", "")
    assert str(error.value) == f"{POSTGRES}, not {shown}."


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ana:a%2Fb@host:5433/name", ("name", "ana", "a/b", "host", 5433)),
        ("postgres://ana:a#b@host/name", ("name", "ana", "a#b", "host", "")),
        ("postgresql://postgres@/name?host=%2Ftmp%2Fx", ("name", "postgres", "", "", "")),
    ],
)
def test_a_database_address_is_read(monkeypatch, url, expected):
    monkeypatch.setenv("DATABASE_URL", url)
    found = environment.database("DATABASE_URL", "")
    assert tuple(found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == expected
    assert found["ENGINE"] == "django.db.backends.postgresql"


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://:pw@host:6380/3", "unix:///run/x.sock", "unix:///run/x.sock?db=2"]
)
def test_a_redis_address_is_taken(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)
    assert environment.redis_url("REDIS_URL", "") == url


@pytest.mark.parametrize(
    "url", ["http://host", "redis://host:port", "redis://host/name", "unix://?db=0", "unix:///x?db=a", "redis://[x"]
)
def test_a_redis_address_that_cannot_be_is_refused(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(EnvironmentValueError, match=r"^REDIS_URL must be redis://host:port/number"):
        environment.redis_url("REDIS_URL", "")


def test_a_store_whose_package_is_missing_says_which(monkeypatch):
    monkeypatch.setenv("ARTIFACTS_URL", "gs://bucket/folder")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(EnvironmentValueError, match=r"^ARTIFACTS_URL needs a package that is not installed: .*gcsfs"):
        environment.storage("ARTIFACTS_URL", "")
