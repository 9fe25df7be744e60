"""Superset's configuration; it reads it by SUPERSET_CONFIG_PATH. Values come from the environment
that infra/superset/commands.py makes.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy.engine import URL

from infra.settings import Settings
from infra.superset import basemap, landing, language, logins, narrow, reach, reports
from infra.superset.theme import CATEGORICAL_SCHEMES, CURRENCY_CODES

_settings = Settings.from_environment()

SECRET_KEY = os.environ["AIRLINE_SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = URL.create(
    "postgresql+psycopg2",
    username=os.environ["AIRLINE_SUPERSET_DB_USER"],
    password=os.environ["AIRLINE_SUPERSET_DB_PASSWORD"],
    host=_settings.host,
    port=_settings.dwh_port,
    database=os.environ["AIRLINE_SUPERSET_DB"],
).render_as_string(hide_password=False)

# Each role of roles.yml asks as a role of the database of its own.
DB_CONNECTION_MUTATOR = reach.connection

# Query results are not cached: a dashboard always shows the marts' current rows, and to each the
# ones that its role reads.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

globals().update(logins.configuration(_settings.is_production))

# No anonymous access and no self-registration.
AUTH_USER_REGISTRATION = False
# Admins can manage users and roles by REST too, as other tools and the tests do.
FAB_ADD_SECURITY_API = True
# By default everybody who can see a chart can see its query; here roles.yml decides.
FEATURE_FLAGS = {
    "DASHBOARD_VIRTUALIZATION": True,
    "DRILL_TO_DETAIL": True,
    "DRILL_BY": True,
    "ALERT_REPORTS": True,
}
globals().update(reports.configuration(_settings))
# Longer than any chart here takes; the connection's own statement_timeout is shorter.
SUPERSET_WEBSERVER_TIMEOUT = 90
ROW_LIMIT = 10_000
SQL_MAX_ROW = 100_000

# No font, picture, tile or statistic is fetched from elsewhere.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    # Loopback, plain HTTP: the stack asks itself. Who comes through the proxy has TLS.
    "force_https": False,
    "session_cookie_secure": bool(_settings.superset_public_url),
}
# Who asks, and by what, is told by the proxy.
ENABLE_PROXY_FIX = bool(_settings.superset_public_url)
BLUEPRINTS = [basemap.blueprint()]
AIRLINE_NARROW_COOKIE, AIRLINE_NARROW_PIXELS = narrow.COOKIE, narrow.PIXELS
DECKGL_BASE_MAP = [[basemap.STYLE, "Land (drawn here)"]]

EXTRA_CATEGORICAL_COLOR_SCHEMES = CATEGORICAL_SCHEMES
CURRENCIES = CURRENCY_CODES
# One language at a time: its words, and figures as its readers write them. A switch in the page
# would turn Superset's own words and leave those of the dashboards.
BABEL_DEFAULT_LOCALE = _settings.language
if _settings.language == language.RUSSIAN:
    LANGUAGES = {"ru": {"flag": "ru", "name": "Русский"}}
    # 1 234 567,8 ₽ and 12,3 %
    D3_FORMAT = {
        "decimal": ",",
        "thousands": "\u00a0",
        "grouping": [3],
        "currency": ["", "\u00a0₽"],
        "percent": "\u00a0%",
    }
else:
    LANGUAGES = {"en": {"flag": "us", "name": "English"}}
    # 1,234,567.8 ₽ and 12.3%
    D3_FORMAT = {
        "decimal": ".",
        "thousands": ",",
        "grouping": [3],
        "currency": ["", "\u00a0₽"],
    }
# The base map and the colours are made for a light background.
THEME_DARK = None


def FLASK_APP_MUTATOR(app: Any) -> None:
    narrow.install(app)
    if _settings.is_production:
        logins.install(app)
    landing.install(app)
    reports.install(app)
    if _settings.language == language.RUSSIAN:
        language.install(app)
