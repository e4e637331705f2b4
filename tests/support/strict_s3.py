"""What stricter S3 servers than the tests' own refuse, as rules for a proxy in front of it.

The answers are those that Amazon's documentation of S3 shows. Whether a signature is right is for the server behind to
say: a signature holds for one region, and that server takes those of all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.proxy import Answer, Rule


def only_region(region: str) -> Rule:
    """Refuse requests that are signed for another region, or for none; signatures are in a header or in the query."""

    def rule(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        signature = headers.get("Authorization", unquote(urlsplit(path).query))
        scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request", signature)
        if scope and scope.group(1) == region:
            return None
        signed_for = scope.group(1) if scope else ""
        message = f"the region '{signed_for}' is wrong; expecting '{region}'"
        inside = f"<Region>{region}</Region>"
        return _refuse(method, 400, "AuthorizationHeaderMalformed", message, inside, region=region)

    return rule


def only_objects_of(bucket: str, prefix: str) -> Rule:
    """Refuse what a policy doesn't allow that is for the objects of a prefix alone: no buckets, no other objects."""

    def rule(method: str, path: str, _headers: Mapping[str, str]) -> Answer | None:
        parts = urlsplit(path)
        listed = parse_qs(parts.query).get("prefix", [""])[0]
        allowed = parts.path.startswith(f"/{bucket}/{prefix}") or (
            method == "GET" and parts.path == f"/{bucket}" and listed.startswith(prefix)
        )
        return None if allowed else _refuse(method, 403, "AccessDenied", "Access Denied")

    return rule


def _refuse(method: str, status: int, code: str, message: str, inside: str = "", region: str = "") -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{inside}</Error>".encode()
    headers = [("Content-Type", "application/xml")] + ([("x-amz-bucket-region", region)] if region else [])
    return status, headers, b"" if method == "HEAD" else body
