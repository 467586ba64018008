"""Who gets in: sign-in, second factors, passwords, sessions and tokens."""

from .house import IS_PRODUCTION, env

AUTH_USER_MODEL = "accounts.User"
# Sign-in: allauth with second factors; the console's own login page leads there.
AUTHENTICATION_BACKENDS = ["config.accounts.backends.RoleBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/console/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "config.accounts.adapters.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Consoles stand in wards: a session ends with the browser, and nobody is asked to be remembered.
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "20/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "config.accounts.adapters.EncryptedMfaAdapter"
MFA_TOTP_ISSUER = "Formulary"
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "config.accounts.forms.SpendingAuthenticateForm",
    "reauthenticate": "config.accounts.forms.SpendingReauthenticateForm",
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = env.bool("SESSION_COOKIE_SECURE", default=IS_PRODUCTION)
API_TOKEN_MAX_DAYS = 90
