"""The endpoints of a browser's session: whoever gives the token gets a cookie, so that event streams have it too."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.endpoint_context import Api
from services.api.http.access import CHALLENGE, SESSION_PATH, ended_cookie, session_cookie
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import Parameters
from services.api.http.write_requests import check_says_json, read_json

endpoints = Endpoints()


@endpoints.declare("POST", SESSION_PATH, status=204, problems=(400, 401, 404, 408, 415), public=True)
async def begin(_asked: Parameters, api: Api, request: Request) -> Response:
    """Begin a session in a browser: the body is {"token": TOKEN}, the answer sets a cookie that stands for it."""
    if api.access.token is None:
        raise HTTPException(404, "this API has no token, so there is nothing to give")
    check_says_json(request)
    content = await read_json(request)
    token = content.get("token") if isinstance(content, dict) else None
    if not isinstance(token, str):
        raise BadRequest('the body must be {"token": TOKEN}')
    if not api.access.is_token(token):
        raise HTTPException(401, "that isn't the API's token", CHALLENGE)
    return Response(status_code=204, headers={"Set-Cookie": session_cookie(api.access, request, api.root_path)})


@endpoints.declare("DELETE", SESSION_PATH, status=204, public=True)
async def end(_asked: Parameters, api: Api, _request: Request) -> Response:
    """End the browser's session."""
    return Response(status_code=204, headers={"Set-Cookie": ended_cookie(api.root_path)})
