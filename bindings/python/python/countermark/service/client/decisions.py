"""Methods that decide about uses, sign, or tell what would be decided."""

# Generated from async_client/ by bindings/python/generate-client: change it there.

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from countermark.decision import Decision, Request
from countermark.records.decisions import Explanation, Introspection, Question
from countermark.service.arguments import Duration, Instant
from countermark.service.client.core import Core
from countermark.service.operations import decisions

__all__ = ["DecisionMethods"]


class DecisionMethods(Core):
    """Authorize and explain uses, introspect values, sign URLs."""

    def authorize(
        self,
        *,
        url: str | None = None,
        value: str | None = None,
        basic: tuple[str, str] | None = None,
        request: Request | None = None,
        cost: int = 1,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Decision:
        """Decides one use, and takes it if the request counts and is allowed. Needs ``authorize``.

        A refusal is an answer, not an exception: ``if decision:``, or :meth:`Decision.raise_for_refusal`.
        With a limit, an allowed use is durable before the answer leaves. What the token restricts and
        ``request`` does not name refuses; a missing method is GET.

        Args:
            url: a whole signed URL, byte for byte as its client sent it. Exactly one of ``url``, ``value``
                and ``basic``.
            value: a token value.
            basic: user name and password of HTTP Basic, both the value.
            request: what the credential is to be used for.
            cost: uses to take, all or none; 0 takes nothing.
            dry_run: only tells what would be decided.
            idempotency_key: makes a repetition of the same question free for 24 hours. The client makes one
                for each call of its own, for its repetitions; give one to repeat by yourself.

        Raises:
            InvalidArgument: not exactly one credential is given.
            BadRequest: the service does not accept the question.
            IdempotencyMismatch: the idempotency key was used for another question.
            ServiceError: any other failure. Nothing may be granted then; whether a use was taken is not
                known.
        """
        key = idempotency_key or self._question_key()
        return self._send(decisions.authorize(Question(url, value, basic, request, cost, dry_run, key)))

    def authorize_many(self, questions: Iterable[Question]) -> list[Decision]:
        """Decides many uses, up to 100 in one request, in the order of the questions. Needs ``authorize``.

        A question that could not be decided has ``allowed=False`` and the code of a problem, as
        ``UNAVAILABLE``.

        Args:
            questions: any number; an iterator is read as the requests go out.

        Raises:
            InvalidArgument: a question has not exactly one credential.
            ServiceError: a request failed. Uses of those before it stay taken, so give the questions
                idempotency keys if all of them are to be asked again.
        """
        decided: list[Decision] = []
        for batch in decisions.batches(questions, self._question_key):
            answered = self._send(batch)
            decided.extend(answered)
        return decided

    def explain(
        self,
        *,
        url: str | None = None,
        value: str | None = None,
        basic: tuple[str, str] | None = None,
        request: Request | None = None,
        cost: int = 1,
    ) -> Explanation:
        """What :meth:`authorize` would answer, with reasons. Needs ``authorize`` and ``tokens:read``.

        Raises:
            InvalidArgument: not exactly one credential is given.
            ServiceError: the service could not tell.
        """
        return self._send(decisions.explain(Question(url, value, basic, request, cost)))

    def introspect(self, value: str) -> Introspection:
        """What a token value is worth now (RFC 7662), taking no use. Needs ``authorize``.

        Raises:
            ServiceError: the service could not tell.
        """
        return self._send(decisions.introspect(value))

    def sign(
        self,
        token_id: str,
        url: str,
        *,
        expires: Instant | None = None,
        expires_in: Duration | None = None,
        bucket: Duration | None = None,
        placement: Literal["path", "query"] | None = None,
    ) -> str:
        """Signs a URL at the service, where the secret stays. Needs ``sign``.

        Args:
            token_id: the imageUrl token that signs.
            url: a full URL without a signature; in path placement its first segment is the cloud.
            expires: first second at which the link no longer works; none is never.
            expires_in: seconds from now, instead of ``expires``.
            bucket: the expiry is rounded up to a multiple of this, so that links within it are the same.
            placement: where the signature stands; none is ``path``.

        Returns:
            The signed URL.

        Raises:
            Conflict: the token itself would refuse the link (``LINK_REFUSED``).
            Malformed: the URL breaks the grammar.
            NotFound: there is no such token, or none that the key may see.
            ServiceError: any other failure.
        """
        return self._send(
            decisions.sign(
                token_id, url, expires=expires, expires_in=expires_in, bucket=bucket, placement=placement
            )
        )
