"""Every setting, read once from the environment, or from `.env` in the current folder.

What each variable means stands in README, "Settings". Nothing else reads the environment.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from cdrhook import __version__
from cdrhook.logging import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(str(Path.cwd() / ".env"), recurse=False)

# Where things are -----------------------------------------------------------------

DATA_DIR = Path(env.str("CDRHOOK_DATA_DIR", "var")).absolute()
SECRET_KEY_FILE = DATA_DIR / "secret_key"
RUNTIME_FILE = DATA_DIR / "runtime.json"


def _secret_key() -> str:
    """SECRET_KEY, else the one that `cdrhook up` wrote into the data folder, else ''."""
    key = env.str("SECRET_KEY", "")
    if not key and SECRET_KEY_FILE.is_file():
        key = SECRET_KEY_FILE.read_text().strip()
    return key


def _redis_url() -> str:
    """REDIS_URL, else that of the Valkey which `cdrhook up` started, else ''."""
    url = env.str("REDIS_URL", "")
    if not url and RUNTIME_FILE.is_file():
        try:
            url = str(json.loads(RUNTIME_FILE.read_text()).get("redis_url", ""))
        except ValueError:
            url = ""
    return url


def _broker_url(redis_url: str) -> str:
    """REDIS_URL as Celery spells it: redis-py says unix://, kombu redis+socket://."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Networks that are separated by commas."""
    names = [name.strip() for name in text.split(",")]
    return [ip_network(name, strict=False) for name in names if name]


# Whether `cdrhook up` need not make them itself.
IS_SECRET_KEY_GIVEN = bool(env.str("SECRET_KEY", ""))
IS_BROKER_GIVEN = bool(env.str("REDIS_URL", ""))
SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", False)

HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000)
PUBLIC_URL = env.str("PUBLIC_URL", f"http://{HOST}:{PORT}").rstrip("/")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", sorted({"127.0.0.1", "localhost", "[::1]", HOST})
)
CSRF_TRUSTED_ORIGINS = (
    [f"{urlsplit(PUBLIC_URL).scheme}://{urlsplit(PUBLIC_URL).netloc}"]
    if urlsplit(PUBLIC_URL).netloc
    else []
)

# The receivers' side -----------------------------------------------------------------

CDRHOOK_ALLOW_HTTP = env.bool("CDRHOOK_ALLOW_HTTP", False)
CDRHOOK_ALLOWED_NETWORKS = _networks(env.str("CDRHOOK_ALLOWED_NETWORKS", ""))
CDRHOOK_USER_AGENT = f"cdrhook/{__version__}"

# Keys for secrets at rest, newest first; without any, one is derived from SECRET_KEY.
FIELD_ENCRYPTION_KEYS: list[str] = env.list("FIELD_ENCRYPTION_KEYS", [])
# The admin user that `cdrhook up` makes where there is none of that name.
DJANGO_SUPERUSER_USERNAME = env.str("DJANGO_SUPERUSER_USERNAME", "")
DJANGO_SUPERUSER_PASSWORD = env.str("DJANGO_SUPERUSER_PASSWORD", "")
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

# Requests a minute that a partner may make to the reconciliation APIs; 0: any number.
CDRHOOK_RECONCILIATION_PER_MINUTE = env.int("CDRHOOK_RECONCILIATION_PER_MINUTE", 300)

# Seconds that the body of a request may take to come in.
CDRHOOK_UPLOAD_SECONDS = env.float("CDRHOOK_UPLOAD_SECONDS", 60)

# Bad tokens a minute from one address that are answered 401, then 429; 0: any number.
CDRHOOK_REFUSED_TOKENS_PER_MINUTE = env.int("CDRHOOK_REFUSED_TOKENS_PER_MINUTE", 60)

# Recordings: a folder, or any of Django's storages; a recording is at
# <tenant external_id>/<recording id> there.
CDRHOOK_RECORDINGS_DIR = Path(
    env.str("CDRHOOK_RECORDINGS_DIR", "") or DATA_DIR / "recordings"
).absolute()
_FOLDER = "django.core.files.storage.FileSystemStorage"


def _recordings_storage() -> dict[str, Any]:
    """The storage of recordings, as STORAGES has it."""
    backend = env.str("CDRHOOK_RECORDINGS_STORAGE", "") or _FOLDER
    try:
        options = json.loads(env.str("CDRHOOK_RECORDINGS_STORAGE_OPTIONS", "") or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ImproperlyConfigured(
            "CDRHOOK_RECORDINGS_STORAGE_OPTIONS is no JSON object, such as"
            ' {"bucket_name": "recordings"}'
        )
    if backend == _FOLDER:
        options = {"location": str(CDRHOOK_RECORDINGS_DIR), **options}
    return {"BACKEND": backend, "OPTIONS": options}


STORAGES = {
    "default": {"BACKEND": _FOLDER},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "recordings": _recordings_storage(),
}

# Who is told when a webhook goes down and when it is back.
CDRHOOK_OPERATIONS_EMAILS: list[str] = env.list("CDRHOOK_OPERATIONS_EMAILS", [])
CDRHOOK_OPERATIONS_WEBHOOK = env.str("CDRHOOK_OPERATIONS_WEBHOOK", "")
CDRHOOK_OPERATIONS_WEBHOOK_SECRET = env.str("CDRHOOK_OPERATIONS_WEBHOOK_SECRET", "")
EMAIL_HOST = env.str("EMAIL_HOST", "localhost")
EMAIL_PORT = env.int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "cdrhook@localhost")

# Threads of a worker that wait for receivers, per lane; a waiting thread costs about
# 100 KB. The fast lane needs many only while webhooks that were fast start to hang.
CDRHOOK_FAST_LANE_THREADS = env.int("CDRHOOK_FAST_LANE_THREADS", 512)
CDRHOOK_SLOW_LANE_THREADS = env.int("CDRHOOK_SLOW_LANE_THREADS", 256)

# The services of call summaries; any server that speaks like them will do.
CDRHOOK_TRANSCRIPTION_URL = env.str(
    "CDRHOOK_TRANSCRIPTION_URL", "https://api.assemblyai.com"
)
CDRHOOK_SUMMARY_URL = env.str("CDRHOOK_SUMMARY_URL", "https://api.openai.com/v1")
CDRHOOK_SUMMARY_MODEL = env.str("CDRHOOK_SUMMARY_MODEL", "gpt-5.4-mini")

# Hours that calls are kept where their tenant does not say; none: for ever.
CDRHOOK_KEEP_CDRS_HOURS = env.int("CDRHOOK_KEEP_CDRS_HOURS", None)
CDRHOOK_KEEP_AUDIT_DAYS = env.int("CDRHOOK_KEEP_AUDIT_DAYS", None)

# Seconds between two marks of a feed: the documented 5 minutes; shorter to try it out.
CDRHOOK_FEED_SECONDS = env.int("CDRHOOK_FEED_SECONDS", 300)

# Endpoint health: how long without a success until a webhook that fails is DOWN, how
# often it is tried then, how fast it gets its backlog when it answers again, and for
# how many hours that is held. Shorter clocks to try it out.
CDRHOOK_DOWN_AFTER_SECONDS = env.float("CDRHOOK_DOWN_AFTER_SECONDS", 300.0)
CDRHOOK_PROBE_SECONDS = env.float("CDRHOOK_PROBE_SECONDS", 60.0)
CDRHOOK_RECOVERY_PER_SECOND = env.int("CDRHOOK_RECOVERY_PER_SECOND", 50)
HELD_MAX_AGE = env.float("HELD_MAX_AGE", 72.0)

# Django --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "dispatcher.apps.DispatcherConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django_celery_beat",
    "axes",
    "ninja",
]

MIDDLEWARE = [
    "cdrhook.policy.PolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dispatcher.api.acting.ActingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dispatcher.admin.sessions.IdleTimeout",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "cdrhook.urls"
WSGI_APPLICATION = "cdrhook.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates", BASE_DIR / "cdrhook" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
# Serves files straight from the packages: no collectstatic step between clone and run.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    # Stands before the other one: who is locked out is asked for no password.
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# So many failures of a user at an address (of an address alone: admin.logins), and so
# long after the last of them.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = dt.timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_HANDLER = "dispatcher.admin.logins.LoginHandler"
AXES_LOCKOUT_CALLABLE = "dispatcher.admin.logins.locked_out"
AXES_CLIENT_IP_CALLABLE = "dispatcher.client_address.subscriber_address"
AXES_RESET_ON_SUCCESS = True
# What comes while locked counts for nothing, so that a lock ends by itself.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
# A row a login, and nobody would ever delete one.
AXES_DISABLE_ACCESS_LOG = True
# Users do type their password into the field above it.
AXES_SENSITIVE_PARAMETERS = ["username"]
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LOGIN_REDIRECT_URL = "/admin/"
LOGIN_URL = "/admin/login/"

# Ingest has limits of its own (api.ingest); this one is for the admin's forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 6 * 1024 * 1024

# How long a login is good without being used (admin.sessions).
SESSION_COOKIE_AGE = 60 * env.int("CDRHOOK_SESSION_IDLE_MINUTES", 120)

_https = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", False)
_behind_proxy = env.bool("CDRHOOK_BEHIND_TLS_PROXY", _https)
if _behind_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Proxies whose X-Forwarded-For is believed (client_address).
CDRHOOK_TRUSTED_PROXIES = _networks(
    env.str("CDRHOOK_TRUSTED_PROXIES", "127.0.0.0/8,::1" if _behind_proxy else "")
)
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# What the admin's pages need beyond it: cdrhook.policy.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        # Widths and colours that are computed; they load and run nothing.
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "media-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# Database ------------------------------------------------------------------------------


def _database() -> dict[str, Any]:
    """One writer on SQLite: WAL, IMMEDIATE; on PostgreSQL a pool a process."""
    url = env.str("DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'cdrhook.sqlite3'}"
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    if config["ENGINE"].endswith("sqlite3"):
        config["CONN_MAX_AGE"] = None
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            # Seconds to wait for the one writer; then ingest answers 503.
            "timeout": 5,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "PRAGMA busy_timeout=5000; PRAGMA cache_size=-16000;"
                "PRAGMA journal_size_limit=67108864"
            ),
        }
        # A file: several threads and processes share it, also in tests.
        config["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    elif config["ENGINE"].endswith("postgresql"):
        # Connections are taken from the pool and given back around every piece of work.
        config["CONN_MAX_AGE"] = 0
        config["OPTIONS"] = {
            **config.get("OPTIONS", {}),
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL_SIZE", 10),
                # Seconds until ingest answers 503 when PostgreSQL is away; and until
                # the pool begins anew to look whether it is back.
                "timeout": 5,
                "reconnect_timeout": 5,
            },
        }
    return config


DATABASES = {"default": _database()}

# Celery ----------------------------------------------------------------------------------

REDIS_URL = _redis_url()
CELERY_BROKER_URL = _broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "fast"
# Others' messages, with calls in them, have a queue and a worker of their own.
CELERY_TASK_ROUTES = {"dispatcher.enqueue": {"queue": "enqueue"}}
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # No countdown in cdrhook is longer than 60 s: see ARCHITECTURE, "The drain".
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
CELERY_BEAT_SCHEDULER = "cdrhook.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "dispatcher.sweep",
        "schedule": 2.0,
        # Older sweeps are worth nothing: do not pile them up while no worker runs.
        "options": {"expires": 4},
    },
    "step-replays": {
        "task": "dispatcher.step_replays",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "join-legs": {
        "task": "dispatcher.join_legs",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "sum-up": {
        "task": "dispatcher.sum_up",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "retain": {
        "task": "dispatcher.retain",
        "schedule": 60.0,
        "options": {"expires": 60, "queue": "slow"},
    },
    "watch-sources": {
        "task": "dispatcher.watch_sources",
        "schedule": 60.0,
        "options": {"expires": 60, "queue": "slow"},
    },
    "sweep-summaries": {
        "task": "dispatcher.sweep_summaries",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
}
CELERY_TIMEZONE = "UTC"
# SQLite keeps its connections; on PostgreSQL they go back into the pool.
CELERY_DB_REUSE_MAX = None

LOGGING = logging_config(level=env.str("LOG_LEVEL", "INFO"))

UNFOLD = {
    "SITE_TITLE": "cdrhook",
    "SITE_HEADER": "cdrhook",
    "SITE_SUBHEADER": f"call detail records by webhook, {__version__}",
    "SITE_SYMBOL": "call_log",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": "dispatcher.admin.navigation.favicon",
        },
    ],
    "STYLES": [
        "dispatcher.admin.navigation.colours",
        "dispatcher.admin.navigation.stylesheet",
    ],
    "SCRIPTS": ["dispatcher.admin.navigation.script"],
    "SIDEBAR": {"navigation": "dispatcher.admin.navigation.sidebar"},
}

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")
