"""The client whose calls are awaited."""

from countermark.service.async_client.decisions import AsyncDecisionMethods
from countermark.service.async_client.figures import AsyncFigureMethods
from countermark.service.async_client.notifications import AsyncNotificationMethods
from countermark.service.async_client.tokens import AsyncTokenMethods
from countermark.service.async_client.uploads import AsyncLiveUpload, AsyncUploadMethods

__all__ = ["AsyncClient", "AsyncLiveUpload"]


class AsyncClient(
    AsyncTokenMethods, AsyncDecisionMethods, AsyncUploadMethods, AsyncFigureMethods, AsyncNotificationMethods
):
    """A Countermark, called with one key, its calls awaited; on asyncio and on trio.

    Share one among all tasks of an event loop: it keeps connections open. Close it with `aclose`, or use it
    as an asynchronous context manager.

    Example::

        async with AsyncClient("https://tokens.example.com", "cmk_…") as client:
            issued = await client.issue("imageUrl", limit=100, ttl=timedelta(days=7))
            url = issued.signer().sign("https://img.example.com/shop/cat.jpg")
            decision = await client.authorize(url=url)

    Args:
        base_url: where the service is, as ``https://tokens.example.com``, a path before ``/v1`` included;
            none is what the environment's ``COUNTERMARK_URL`` says.
        key: the key to call with, ``cmk_…``; none is what ``COUNTERMARK_KEY`` says.
        timeout: seconds that each step of a call may take, to connect, to send, to wait for more of the
            answer; at most a day.
        retries: most repetitions of a call that got no answer, or a :class:`RetryPolicy`.
        http: a ``httpx2.AsyncClient`` to send with, for proxies, certificates or transports of your own.
            Without it no proxy is used, whatever the environment says. It is not closed by this client,
            which sets timeout, key and no redirects on each request.

    Raises:
        InvalidArgument: URL or key is missing, or an argument cannot be meant.
    """
