"""HTTP/1.1 as a server hears it: bytes in, requests out, whatever the chunking (RFC 9112)."""

from pytest_mqchaos.wire.http.answers import answer
from pytest_mqchaos.wire.http.parser import Broken, Expectation, RequestParser
from pytest_mqchaos.wire.http.requests import Headers, Request

__all__ = ["Broken", "Expectation", "Headers", "Request", "RequestParser", "answer"]
