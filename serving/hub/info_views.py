"""What Hub clients ask before they download: models, revisions, trees, refs, commits, accounts."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.models import ApiToken
from registry.models import Adapter, Version
from serving.selectors.downloads import counts_of

from . import bodies
from .base import COMMIT, HubView, refusals
from .files import entries_named, entries_of
from .models_list import page_of
from .revisions import nameless, ready_versions, refs_of

_OBJECT = OpenApiResponse(OpenApiTypes.OBJECT)
_OBJECTS = OpenApiResponse(
    {"type": "array", "items": {"type": "object", "additionalProperties": True}}
)
_TRUE = frozenset({"true", "1", "yes", "on"})
MAX_PATHS = 1000


def _flag(name: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, description="true or false, in any case")


class ModelList(HubView):
    """Adapters that can be pulled."""

    @extend_schema(
        operation_id="hub_models_list",
        parameters=[
            OpenApiParameter("search", str),
            OpenApiParameter("author", str, description="The namespace"),
            OpenApiParameter("filter", str, many=True, description="Tags"),
            OpenApiParameter("sort", str, enum=["createdAt"]),
            OpenApiParameter("limit", int),
            OpenApiParameter("cursor", int, description="From the Link header of the page before"),
        ],
        responses={200: _OBJECTS, **refusals()},
    )
    def get(self, request: Request) -> Response:
        """A page of them, newest first; the header Link leads to the next one."""
        page = page_of(request.query_params)
        rows = []
        for row in page.rows:
            body = bodies.model(row.adapter, downloads=row.downloads)
            if row.live is not None:
                body["sha"] = row.live.commit_id
            rows.append(body)
        response = Response(rows)
        if page.next_cursor:
            query = request.query_params.copy()
            query["cursor"] = str(page.next_cursor)
            address = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
            response["Link"] = f'<{address}>; rel="next"'
        return response


class ModelDetail(HubView):
    """One adapter at a revision, by default ``main``: the live version."""

    @extend_schema(
        operation_id="hub_model_get",
        parameters=[_flag("blobs")],
        responses={200: _OBJECT, **refusals(404)},
    )
    def get(self, request: Request, **names: str) -> Response:
        """Its commit and its files; with ``blobs`` their sizes and digests too."""
        adapter = self.adapter()
        version = self.version(adapter)
        return _told(
            version,
            bodies.model_at(
                adapter,
                version,
                downloads=counts_of([adapter.pk]).get(adapter.pk, 0),
                with_blobs=_is_set(request, "blobs"),
            ),
        )


class ModelRevision(ModelDetail):
    """One adapter at the named revision."""

    @extend_schema(
        operation_id="hub_model_revision_get",
        parameters=[_flag("blobs")],
        responses={200: _OBJECT, **refusals(404)},
    )
    def get(self, request: Request, **names: str) -> Response:
        """Its commit and its files; with ``blobs`` their sizes and digests too."""
        return super().get(request, **names)


class Tree(HubView):
    """The files of a revision."""

    @extend_schema(
        operation_id="hub_tree_get",
        parameters=[_flag("recursive"), _flag("expand")],
        responses={200: _OBJECTS, **refusals(404)},
    )
    def get(self, request: Request, **names: str) -> Response:
        """Files and folders at the top; with ``recursive`` all of them."""
        version = self.version(self.adapter())
        entries = entries_of(
            version,
            folder=names.get("folder", ""),
            is_recursive=_is_set(request, "recursive"),
        )
        return _told(version, bodies.tree(entries, version, is_expanded=_is_set(request, "expand")))


class Subtree(Tree):
    """The files below a folder of a revision."""

    @extend_schema(
        operation_id="hub_subtree_get",
        parameters=[_flag("recursive"), _flag("expand")],
        responses={200: _OBJECTS, **refusals(404)},
    )
    def get(self, request: Request, **names: str) -> Response:
        """Files and folders in that folder; with ``recursive`` all below it."""
        return super().get(request, **names)


class RefList(HubView):
    """Branches and tags."""

    @extend_schema(operation_id="hub_refs_get", responses={200: _OBJECT, **refusals(404)})
    def get(self, request: Request, **names: str) -> Response:
        """``main`` and the aliases as branches, version names as tags: what can be pulled now."""
        return Response(bodies.refs(refs_of(self.adapter())))


class AuthCheck(HubView):
    """Whether this account may pull from a repository."""

    @extend_schema(operation_id="hub_auth_check", responses={200: _OBJECT, **refusals(404)})
    def get(self, request: Request, **names: str) -> Response:
        """An empty object where something of it was ever approved."""
        refs_of(self.adapter())
        return Response({})


class NamelessRepository(HubView):
    """A repository without a namespace: there is none here."""

    @extend_schema(exclude=True)
    def get(self, request: Request, **names: str) -> Response:
        """Refuse it as an unknown repository, saying how repositories are named."""
        raise nameless(self.kwargs["repo"])

    @extend_schema(exclude=True)
    def post(self, request: Request, **names: str) -> Response:
        """As ``get``."""
        return self.get(request, **names)


class CommitList(HubView):
    """Versions as a history."""

    @extend_schema(operation_id="hub_commits_get", responses={200: _OBJECTS, **refusals(404)})
    def get(self, request: Request, **names: str) -> Response:
        """The revision and the approved versions before it, newest first."""
        adapter = self.adapter()
        version = self.version(adapter)
        return _told(version, bodies.commits(_up_to(adapter, version)))


class PathsRequestSerializer(serializers.Serializer[None]):
    """Which paths to look up."""

    paths = serializers.ListField(
        child=serializers.CharField(max_length=500, allow_blank=True, trim_whitespace=False),
        max_length=MAX_PATHS,
    )
    expand = serializers.BooleanField(default=False)


class PathsInfo(HubView):
    """Some paths of a revision; asking changes nothing."""

    @extend_schema(
        operation_id="hub_paths_info",
        request=PathsRequestSerializer,
        responses={200: _OBJECTS, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, **names: str) -> Response:
        """Those of the paths that exist."""
        asked = PathsRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        version = self.version(self.adapter())
        entries = entries_named(version, asked.validated_data["paths"])
        is_expanded = asked.validated_data["expand"]
        return _told(version, bodies.tree(entries, version, is_expanded=is_expanded))


class WhoAmI(HubView):
    """The account behind the token."""

    @extend_schema(operation_id="hub_whoami", responses={200: _OBJECT, **refusals()})
    def get(self, request: Request) -> Response:
        """Its name, and what the token is called."""
        token = request.auth if isinstance(request.auth, ApiToken) else None
        return Response(bodies.account(self.user, token))


def _is_set(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in _TRUE


def _up_to(adapter: Adapter, version: Version) -> Sequence[Version]:
    return [row for row in ready_versions(adapter) if row.number <= version.number]


def _told(version: Version, body: Any) -> Response:
    return Response(body, headers={COMMIT: version.commit_id})
