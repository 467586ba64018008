"""Paths of the Hub endpoint, at the root."""

from django.urls import URLPattern, path, re_path

from .info_views import (
    AuthCheck,
    CommitList,
    ModelDetail,
    ModelList,
    ModelRevision,
    NamelessRepository,
    PathsInfo,
    RefList,
    Subtree,
    Tree,
    WhoAmI,
)
from .resolve_views import Resolve

_MODEL = "api/models/<str:namespace>/<str:repo>"

urlpatterns: list[URLPattern] = [
    path("api/whoami-v2", WhoAmI.as_view()),
    path("api/models", ModelList.as_view()),
    path(_MODEL, ModelDetail.as_view()),
    path(f"{_MODEL}/revision/<str:revision>", ModelRevision.as_view()),
    path(f"{_MODEL}/tree/<str:revision>", Tree.as_view()),
    re_path(
        r"^api/models/(?P<namespace>[^/]+)/(?P<repo>[^/]+)/tree/(?P<revision>[^/]+)/"
        r"(?P<folder>[\s\S]+)\Z",
        Subtree.as_view(),
    ),
    path(f"{_MODEL}/refs", RefList.as_view()),
    path(f"{_MODEL}/commits/<str:revision>", CommitList.as_view()),
    path(f"{_MODEL}/paths-info/<str:revision>", PathsInfo.as_view()),
    path(f"{_MODEL}/auth-check", AuthCheck.as_view()),
    # Not <path:…>, which knows no line break: what is unknown is told in this contract's form.
    re_path(
        r"^(?P<namespace>[^/]+)/(?P<repo>[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>[\s\S]+)\Z",
        Resolve.as_view(),
    ),
    # Clients that leave the namespace out are told so in this contract's form.
    path("api/models/<str:repo>", NamelessRepository.as_view()),
    re_path(
        r"^api/models/(?P<repo>[^/]+)/(?:revision|tree|commits|paths-info)/[\s\S]+\Z",
        NamelessRepository.as_view(),
    ),
    re_path(r"^(?P<repo>[^/]+)/resolve/[^/]+/[\s\S]+\Z", NamelessRepository.as_view()),
]
