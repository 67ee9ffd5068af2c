"""All settings, read from the environment. What is wrong fails loudly at start; no secret has a default.

With nothing set, everything lives in `var/`: PostgreSQL and Valkey from wheels (started by `manage.py up`, which
writes their addresses into `var/services.json`), artifacts, models, and the secret key made on first start.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.templatetags.static import static

from config import embedded
from config import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent

VAR = env.folder("PLUMBLINE_VAR", BASE_DIR / "var")
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY") or embedded.secret(VAR, "secret_key")
# Labelers' pseudonyms in snapshots hang on this key alone, so that SECRET_KEY can be changed.
PSEUDONYM_KEY = env.text("PSEUDONYM_KEY") or embedded.secret(VAR, "pseudonym_key")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS")  # behind a TLS proxy: secure cookies, HSTS and the forwarded scheme

_services = embedded.addresses(VAR)
DATABASE_URL = env.text("DATABASE_URL", _services["database_url"])
REDIS_URL = env.redis_url("REDIS_URL", _services["redis_url"])
ARTIFACTS_URL = env.storage("ARTIFACTS_URL", str(VAR / "artifacts"))
ARTIFACTS_CACHE = VAR / "cache"
RUNS_DIR = VAR / "runs"
UPLOADS_DIR = VAR / "uploads"
MODELS_DIR = VAR / "models"
BASE_MODEL = env.text("BASE_MODEL", "smollm2")
PRETRAIN_TEXT = env.text("PRETRAIN_TEXT", "")  # a file or folder: what the base model had learned from
HOST = env.text("HOST", "127.0.0.1")  # where `manage.py up` serves
PORT = env.whole("PORT", 8000, 1, 65535)
WEB_WORKERS = env.whole("WEB_WORKERS", 2, 1, 1024)  # processes, and threads in each
WEB_THREADS = env.whole("WEB_THREADS", 4, 1, 1024)
TRAIN_PROCESSES = env.whole("TRAIN_PROCESSES", 1, 1, 1024)  # processes of torchrun on this node, one a GPU
STOP_SECONDS = env.whole("STOP_SECONDS", 5, 1, 3600)  # that a run has to save its state when it is stopped

DATABASES = {"default": env.database("DATABASE_URL", DATABASE_URL)}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "config",
    "people",
    "labeling",
    "training",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.csp.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "people.same_person.same_person",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.addresses.without_nul",
    "config.form_addresses.with_pages",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "people.User"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "people.context.navigation",
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "people.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "people.api.scopes.TokenAllows",
    ],
    "DEFAULT_SCHEMA_CLASS": "people.api.schema.ScopedSchema",
    "DEFAULT_PARSER_CLASSES": ["people.api.parsing.ReadableJSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],  # for people there is /api/v1/docs/
    "EXCEPTION_HANDLER": "people.api.errors.error_answered",
    "DEFAULT_PAGINATION_CLASS": "people.api.paging.Paging",
    # Whose X-Forwarded-For to believe when attempts to sign in are counted: nobody's, or the proxies in front.
    "NUM_PROXIES": env.whole("PROXIES", 1 if HTTPS else 0, 0, 100),
    "DEFAULT_THROTTLE_RATES": {"sign-in": env.rate("SIGN_IN_RATE", "20/min")},
}
KNOX_TOKEN_MODEL = "people.AccessToken"  # noqa: S105 - a model, no password
REST_KNOX = {"TOKEN_TTL": timedelta(days=env.whole("TOKEN_DAYS", 90, 1, 36500)), "TOKEN_PREFIX": "pl_"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Plumbline",
    "VERSION": "1",
    "DESCRIPTION": "Everything that the pages do. Sign in at /api/v1/auth/token/ with HTTP basic to get a token.",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": "people.models.Role",
        "TaskKindEnum": "labeling.models.task.Task.Kind",
        "PromptKindEnum": "labeling.models.prompt.PromptKind",
        "SkipKindEnum": "labeling.models.task.SkipKind",
        "AssignmentStateEnum": "labeling.models.task.Assignment.State",
        "JobStateEnum": "labeling.models.importing.Import.State",
        "RunKindEnum": "training.models.Run.Kind",
        "RunStateEnum": "training.models.Run.State",
        "CheckpointKindEnum": "training.models.Checkpoint.Kind",
        "MessageRoleEnum": ["system", "user", "assistant"],
    },
}

CELERY_BROKER_URL = embedded.celery_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"training.tasks.run_execute": {"queue": "train"}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Each half polls for what the other published, and sweeps what a lost message left behind. A sweep that no worker took
# in time is dropped: the next one does the same.
CELERY_BEAT_SCHEDULE = {
    "labeling-sweep": {"task": "labeling.tasks.sweep", "schedule": 5.0, "options": {"expires": 5.0}},
    "training-sweep": {"task": "training.tasks.sweep", "schedule": 5.0, "options": {"expires": 5.0}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "plumbline",
    }
}

UNFOLD = {
    "SITE_TITLE": "Plumbline",
    "SITE_HEADER": "Plumbline",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "STYLES": [lambda request: static("css/admin.css")],
    "SCRIPTS": [lambda request: static("js/admin.js")],
    "SITE_ICON": lambda request: static("icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("icon.svg")},
    ],
    "COLORS": {
        "primary": {  # the accent of the pages, lighter and darker
            "50": "#eef3fd", "100": "#dbe6fb", "200": "#bdd1f8", "300": "#93b4f5", "400": "#6590ee", "500": "#3f70e0",
            "600": "#2456c7", "700": "#1f489f", "800": "#1c3c80", "900": "#1a3266", "950": "#111f42",
        }
    },
}  # fmt: skip

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"httpx": {"level": "WARNING"}},  # the demo asks every second
    "root": {"handlers": ["stderr"], "level": env.log_level("LOG_LEVEL", "INFO")},
}
