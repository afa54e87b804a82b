"""A storage whose links are signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from os import PathLike
from typing import IO, Any, Literal, cast

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils.encoding import filepath_to_uri

from countermark._native import Signer
from countermark.errors import InvalidArgument

__all__ = ["CountermarkStorage"]


class CountermarkStorage(Storage):
    """Keeps files in another storage and signs the links to them, without network.

    ``{{ photo.image.url }}`` in a template is a signed URL. With `bucket`, it stays the same within a bucket
    of time, so that browsers and caches know it again. The wrapped storage answers whatever else is asked of
    this one.
    """

    def __init__(
        self,
        *,
        token_id: str,
        secrets: str | Mapping[int, str],
        storage: Storage | Mapping[str, Any] | None = None,
        base_url: str | None = None,
        cloud_id: str | None = None,
        host: str | None = None,
        expires_in: int | timedelta | None = None,
        bucket: int | timedelta | None = None,
        placement: Literal["path", "query"] = "path",
    ) -> None:
        """The options are those of ``STORAGES``.

        Args:
            token_id: the imageUrl token, ``iu_…``.
            secrets: its signing secrets by version, or the only one. The highest version signs: to rotate,
                add one.
            storage: where the files are: a storage, or ``{"BACKEND": …, "OPTIONS": …}``; the file system if
                absent.
            base_url: URL under which files are delivered; what the wrapped storage says if absent.
            cloud_id: cloud, put between `base_url` and the file's name; for a `base_url` that does not end
                with it.
            host: host of links that are only a path, as those of ``MEDIA_URL = "/media/"``; they stay a path.
            expires_in: seconds that a link works; for ever if absent.
            bucket: seconds to whose multiple the expiry is rounded up.
            placement: whether the signature stands in the ``path`` or in the ``query``.

        Raises:
            InvalidArgument: for an option that cannot be meant.
        """
        if cloud_id is not None and base_url is None:
            raise InvalidArgument("cloud_id: expected together with base_url")
        self._signer = Signer(token_id, secrets, host=host, placement=placement)
        self._storage = _storage(storage)
        self._base_url = _base_url(base_url, cloud_id)
        self._expires_in = expires_in
        self._bucket = bucket

    def url(self, name: str | None) -> str:
        """The signed link to a file.

        Raises:
            InvalidArgument: if the storage's link is only a path, and there is no `host`; if the name cannot
                stand in a signed URL, such as one with ``..``.
        """
        if self._base_url is None:
            plain = self._storage.url(name)
        else:
            plain = self._base_url + (filepath_to_uri(name or "") or "").lstrip("/")
        return self._signer.sign(plain, expires_in=self._expires_in, bucket=self._bucket)

    @property
    def wrapped(self) -> Storage:
        """The storage that keeps the files."""
        return self._storage

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Migrations would hold the secrets.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a CountermarkStorage has secrets, which must not stand in migrations: give the field a callable "
            "that returns it, such as one with storages['signed']"
        )

    def __repr__(self) -> str:
        return f"<CountermarkStorage of {self._signer.token_id} over {type(self._storage).__name__}>"

    def __getattr__(self, name: str) -> Any:
        # Only asked for what this class lacks. Before __init__ is through there is nothing to ask.
        if name == "_storage":
            raise AttributeError(name)
        return getattr(self._storage, name)

    def open(self, name: str, mode: str = "rb") -> File[Any]:  # noqa: D102
        opened: File[Any] = cast(Any, self._storage).open(name, mode)
        return opened

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:  # noqa: D102
        return self._storage.save(name, content, max_length)

    def get_valid_name(self, name: str) -> str:  # noqa: D102
        return self._storage.get_valid_name(name)

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:  # noqa: D102
        return self._storage.get_alternative_name(file_root, file_ext)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:  # noqa: D102
        return self._storage.get_available_name(name, max_length)

    def generate_filename(self, filename: str | PathLike[str]) -> str:  # noqa: D102
        return self._storage.generate_filename(filename)

    def path(self, name: str) -> str:  # noqa: D102
        return self._storage.path(name)

    def delete(self, name: str) -> None:  # noqa: D102
        self._storage.delete(name)

    def exists(self, name: str) -> bool:  # noqa: D102
        return self._storage.exists(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:  # noqa: D102
        return self._storage.listdir(path)

    def size(self, name: str) -> int:  # noqa: D102
        return self._storage.size(name)

    def get_accessed_time(self, name: str) -> datetime:  # noqa: D102
        return self._storage.get_accessed_time(name)

    def get_created_time(self, name: str) -> datetime:  # noqa: D102
        return self._storage.get_created_time(name)

    def get_modified_time(self, name: str) -> datetime:  # noqa: D102
        return self._storage.get_modified_time(name)


def _storage(storage: Storage | Mapping[str, Any] | None) -> Storage:
    if storage is None:
        return FileSystemStorage()
    if isinstance(storage, Storage):
        return storage
    if "BACKEND" not in storage:
        raise InvalidArgument("storage: expected BACKEND and, if it needs them, OPTIONS")
    return storages.create_storage(dict(storage))


def _base_url(base_url: str | None, cloud_id: str | None) -> str | None:
    if base_url is None:
        return None
    parts = [base_url.rstrip("/"), *([cloud_id] if cloud_id is not None else [])]
    return "/".join(parts) + "/"
