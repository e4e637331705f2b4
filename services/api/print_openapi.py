"""`python -m services.api.print_openapi`: the API's description as JSON, which the viewer's types are made from."""

import json
import sys

from services.api.app import ENDPOINTS
from services.api.http.openapi import openapi

if __name__ == "__main__":
    sys.stdout.write(json.dumps(openapi(ENDPOINTS), indent=2, ensure_ascii=False) + "\n")
