"""References read back what they say, and nothing else is one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import refs
from registry.errors import RefInvalid

slugs = st.from_regex(refs.SLUG, fullmatch=True).filter(lambda slug: not refs.is_uuid(slug))
names = st.from_regex(refs.VERSION_NAME, fullmatch=True)
digests = st.text("0123456789abcdef", min_size=12, max_size=64)
adapters = st.one_of(
    st.uuids().map(lambda uuid: refs.AdapterRef(uuid=uuid)),
    st.builds(
        lambda namespace, slug: refs.AdapterRef(namespace=namespace, slug=slug), slugs, slugs
    ),
)
versions = st.one_of(
    st.uuids().map(lambda uuid: refs.VersionRef(uuid=uuid)),
    st.builds(lambda adapter, name: refs.VersionRef(adapter=adapter, name=name), adapters, names),
    st.builds(
        lambda adapter, digest: refs.VersionRef(adapter=adapter, digest=digest), adapters, digests
    ),
)


@given(adapters)
def test_an_adapters_reference_reads_back(ref: refs.AdapterRef) -> None:
    assert refs.parse_adapter_ref(str(ref)) == ref
    assert "/" not in str(ref)


@given(versions)
def test_a_versions_reference_reads_back(ref: refs.VersionRef) -> None:
    assert refs.parse_version_ref(str(ref)) == ref
    assert "/" not in str(ref)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (refs.parse_adapter_ref, refs.parse_version_ref):
        try:
            ref = parse(text)
        except RefInvalid as error:
            assert error.fix
        else:
            assert str(ref) in (text, text.removeprefix("default:"))


@pytest.mark.parametrize(
    "text",
    ["", "A", "a_b", "-a", "a-", "a/b", "a:b:c", ":a", "a:", "a@", "a@b@c", "a@sha256:", "a\n",
     "a@sha256:ABCDEF123456", "a@v1\n", "ａ", "a" * 64],
)  # fmt: skip
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(RefInvalid):
        refs.parse_version_ref(text)


def test_uuid_is_only_the_written_form() -> None:
    uuid = UUID("123e4567-e89b-12d3-a456-426614174000")
    assert refs.parse_adapter_ref(str(uuid)).uuid == uuid
    assert not refs.is_uuid(uuid.hex)
