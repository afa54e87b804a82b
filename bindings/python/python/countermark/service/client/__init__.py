"""The client whose calls block."""

from countermark.service.client.decisions import DecisionMethods
from countermark.service.client.figures import FigureMethods
from countermark.service.client.notifications import NotificationMethods
from countermark.service.client.tokens import TokenMethods
from countermark.service.client.uploads import LiveUpload, UploadMethods

__all__ = ["Client", "LiveUpload"]


class Client(TokenMethods, DecisionMethods, UploadMethods, FigureMethods, NotificationMethods):
    """A Countermark, called with one key.

    Share one among all threads of a process: it keeps connections open, and its methods may be called from
    any thread (iterators and uploads belong to the thread that made them). After a fork, make another. Close
    it with `close`, or use it as a context manager.

    Example::

        with Client("https://tokens.example.com", "cmk_…") as client:
            issued = client.issue("imageUrl", limit=100, ttl=timedelta(days=7))
            url = issued.signer().sign("https://img.example.com/shop/cat.jpg")
            decision = client.authorize(url=url)

    Args:
        base_url: where the service is, as ``https://tokens.example.com``, a path before ``/v1`` included;
            none is what the environment's ``COUNTERMARK_URL`` says.
        key: the key to call with, ``cmk_…``; none is what ``COUNTERMARK_KEY`` says.
        timeout: seconds that each step of a call may take, to connect, to send, to wait for more of the
            answer; at most a day.
        retries: most repetitions of a call that got no answer, or a :class:`RetryPolicy`.
        http: a ``httpx2.Client`` to send with, for proxies, certificates or transports of your own.
            Without it no proxy is used, whatever the environment says. It is not closed by this client,
            which sets timeout, key and no redirects on each request.

    Raises:
        InvalidArgument: URL or key is missing, or an argument cannot be meant.
    """
