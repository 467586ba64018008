"""The LoRA manager's adapters: register, list, read, change, switch, delete."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from deliveries.models import LoraEntry, Validation
from deliveries.selectors.entries import entry_by_id, listed
from deliveries.services import entries

from .manager_base import WRITING, ManagerView, refusals
from .manager_serializers import (
    EntryBodySerializer,
    EntryChangeSerializer,
    EntryPageSerializer,
    EntryQuerySerializer,
    EntryRequestSerializer,
    EntrySerializer,
    OrdinalSerializer,
)


class AdapterList(ManagerView):
    """All adapters."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="manager_adapters_list",
        parameters=[EntryQuerySerializer],
        responses={200: EntryPageSerializer, **refusals()},
    )
    def get(self, request: Request) -> Response:
        """A page of the adapters that match, with how many match in all."""
        query = EntryQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        rows = listed(
            is_active=asked["active"],
            tag=asked.get("tag", ""),
            namespace=asked.get("namespace", ""),
            order_by=asked["order_by"],
        )
        first, limit = asked["offset"], asked["limit"]
        return Response(
            {
                "items": EntrySerializer(rows[first : first + limit], many=True).data,
                "total": rows.count(),
                "limit": limit,
                "offset": first,
            }
        )

    @extend_schema(
        operation_id="manager_adapters_create",
        request=EntryRequestSerializer,
        responses={
            201: EntryBodySerializer,
            202: OpenApiResponse(EntryBodySerializer, description="Still to be validated"),
            **refusals(*WRITING),
        },
        examples=[
            OpenApiExample(
                "a file",
                value={
                    "name": "anime",
                    "file_path": "/data/loras/anime.safetensors",
                    "version": "1.0",
                    "tags": ["style:anime", "resolution:512"],
                    "weight": 0.75,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Register the metadata of a file; 202 where the file is still to be validated."""
        wanted = EntryRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        entry = entries.register(
            metadata_uri=values.pop("metadata_uri", ""),
            values=values,
            user=self.user,
            actor=self.actor,
        )
        is_pending = entry.validation == Validation.PENDING
        return Response(
            _body(entry),
            status=status.HTTP_202_ACCEPTED if is_pending else status.HTTP_201_CREATED,
            headers={"Location": f"{request.path}/{entry.uuid}"},
        )


class AdapterDetail(ManagerView):
    """One adapter."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="manager_adapters_get",
        responses={200: EntryBodySerializer, **refusals(404)},
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """The adapter with this id."""
        return Response(_body(entry_by_id(uuid)))

    @extend_schema(
        operation_id="manager_adapters_change",
        request=EntryChangeSerializer,
        responses={200: EntryBodySerializer, **refusals(404, *WRITING)},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:
        """Change the fields that are sent; ``id`` and ``created_at`` are none of them."""
        entry = entry_by_id(uuid)
        wanted = EntryChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(
            _body(entries.change(entry=entry, values=wanted.validated_data, actor=self.actor))
        )

    @extend_schema(
        operation_id="manager_adapters_delete",
        responses={204: None, **refusals(404, 409, 422)},
    )
    def delete(self, request: Request, uuid: UUID) -> Response:
        """Delete the entry; the file stays where it is."""
        entries.delete(entry=entry_by_id(uuid), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AdapterActivation(ManagerView):
    """The switch that puts an adapter into the prompt set."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="manager_adapters_activate",
        parameters=[OpenApiParameter("ordinal", int, description="Or in the body")],
        request=OrdinalSerializer,
        responses={200: EntryBodySerializer, **refusals(404, *WRITING)},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Put the adapter into the prompt set, at this place if one is given."""
        ordinal = _ordinal(request)
        entry = entries.activate(entry=entry_by_id(uuid), ordinal=ordinal, actor=self.actor)
        return Response(_body(entry))


class AdapterDeactivation(ManagerView):
    """The switch that takes an adapter out of the prompt set."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(
        operation_id="manager_adapters_deactivate",
        request=None,
        responses={200: EntryBodySerializer, **refusals(404, 409, 422)},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Take the adapter out of the prompt set."""
        return Response(_body(entries.deactivate(entry=entry_by_id(uuid), actor=self.actor)))


def _body(entry: LoraEntry) -> dict[str, Any]:
    return {"adapter": EntrySerializer(entry).data}


def _ordinal(request: Request) -> int | None:
    """The ordinal of body or query; two that differ are refused."""
    found = set()
    body = {} if request.data is None else request.data  # null, as some clients write "nothing"
    for data in (body, request.query_params.dict()):
        given = OrdinalSerializer(data=data)
        given.is_valid(raise_exception=True)
        found.add(given.validated_data.get("ordinal"))
    found.discard(None)
    if len(found) > 1:
        raise serializers.ValidationError({"ordinal": "Body and query say different numbers."})
    return found.pop() if found else None
