"""An API whose users log in at Gatehouse. A logout counts here within a second."""

import os
from functools import wraps

from flask import Flask, abort, g, jsonify, make_response, request

from gatehouse import Gatehouse, Refused

app = Flask(__name__)
gatehouse = Gatehouse(os.environ.get("GATEHOUSE", "http://localhost:3000"))


def requires_token(role=None):
    """Puts the claims of the token into `g.user`, or answers 401, 403 or 503."""

    def decorate(view):
        @wraps(view)
        def wrapped(*args, **values):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            try:
                g.user = gatehouse.verify(token.strip() if scheme.lower() == "bearer" else "")
                # In a token of a client `sub` is equal to `sid`: no user stands behind it.
                if role not in g.user["roles"] if role else g.user["sub"] == g.user["sid"]:
                    raise Refused(403, "forbidden")
            except Refused as refused:
                reply = make_response(jsonify(status="error", code=refused.code), refused.status)
                reply.headers["Cache-Control"] = "no-store"
                if refused.status == 401:
                    reply.headers["WWW-Authenticate"] = "Bearer"
                if refused.status == 503:
                    reply.headers["Retry-After"] = "1"
                abort(reply)
            return view(*args, **values)

        return wrapped

    return decorate


@app.get("/reports")
@requires_token()
def reports():
    return {"user": g.user["sub"], "roles": g.user["roles"]}


@app.get("/admin")
@requires_token(role="admin")
def admin():
    return {"secret": 42}


if __name__ == "__main__":
    app.run("localhost", int(os.environ.get("PORT", "4000")))
