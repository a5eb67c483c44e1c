"""What schemathesis is told of the API: answers are to be short, and who says that something is not supported has not failed."""

import schemathesis

TOKENS = 3
LIMITS = {
    "/v1/chat/completions": "max_tokens",
    "/v1/completions": "max_tokens",
    "/v1/messages": "max_tokens",
    "/v1/responses": "max_output_tokens",
}
NOT_SUPPORTED = 501


@schemathesis.check
def nothing_fails(context, response, case):
    """As `not_a_server_error`, but for status 501."""
    status = response.status_code
    assert status < 500 or status == NOT_SUPPORTED, f"status {status}: {response.text[:500]}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Limits that are none or numbers become small, and no model is named, whose name nobody guesses; what is odd stays."""
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("model"), str):
        del body["model"]
    path = case.operation.path
    if name := LIMITS.get(path):
        body.pop("max_completion_tokens", None)
        limit = body.get(name)
        if limit is None or isinstance(limit, int) and limit > TOKENS:
            body[name] = TOKENS
    elif path in ("/api/chat", "/api/generate") and isinstance(body.get("options") or {}, dict):
        body["options"] = {**(body.get("options") or {}), "num_predict": TOKENS}
