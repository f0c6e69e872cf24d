"""Verifies access tokens of Gatehouse in this process. A thread follows the list of revocations."""

import json
import threading
import time
from urllib.parse import quote
from urllib.request import Request, urlopen

import jwt

ALGORITHMS = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}
MAX_STALE = 5  # seconds without news after which every token is refused
MAX_ANSWER = 4_194_304
CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "epoch", "roles"]


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Gatehouse:
    """The keys and the revocations of one service, in memory."""

    def __init__(self, issuer, audience="gatehouse", url=None):
        self.issuer, self.audience, self.url = issuer, audience, (url or issuer).rstrip("/")
        self.keys = {}  # by `kid`; a key is a PyJWK
        self.good = frozenset()  # the `kid` of each key whose tokens are good
        self.denied, self.epochs = {}, {}  # id: expiry, and user: (lowest epoch, expiry)
        self.cursor, self.listed_from, self.complete_at = None, None, float("-inf")
        self.keys_at = self.swept_at = float("-inf")
        threading.Thread(target=self.follow, daemon=True).start()

    def verify(self, token):
        """The claims of an access token that is neither expired nor revoked."""
        if not token:
            raise Refused(401, "invalid_token")
        if time.monotonic() > self.complete_at + MAX_STALE:
            raise Refused(503, "unavailable")
        try:
            claims = self.open(token, "at+jwt", self.audience)
        except (jwt.PyJWTError, KeyError):
            raise Refused(401, "invalid_token") from None
        if any(claims[name] in self.denied for name in ("jti", "sid", "sub")):
            raise Refused(401, "invalid_token")
        if claims["epoch"] < self.epochs.get(claims["sub"], (0, 0))[0]:
            raise Refused(401, "token_stale")
        return claims

    def open(self, token, type, audience):
        """The payload of a JWS. The key says its algorithm, and not the token (RFC 8725 §3.1)."""
        header = jwt.get_unverified_header(token)
        key = self.keys.get(str(header.get("kid")))
        if key is None or header.get("typ") != type:
            raise jwt.InvalidTokenError
        if type == "at+jwt" and key.key_id not in self.good:
            raise jwt.InvalidTokenError
        options = {"require": CLAIMS if type == "at+jwt" else ["iss", "aud", "exp"]}
        algorithms = [ALGORITHMS[key.key_type]]
        bounds = {"audience": audience, "issuer": self.issuer, "options": options}
        return jwt.decode(token, key.key, algorithms=algorithms, **bounds)

    def follow(self):
        while True:
            try:
                has_more = self.poll()
            except Exception as error:  # no fault may end the thread
                print(f"gatehouse: {error!r}", flush=True)
                # The cursor may belong to a history that a failover has lost: read the whole list.
                self.cursor, self.listed_from, has_more = None, None, False
            if not has_more:
                time.sleep(0.5)

    def poll(self):
        """Reads what was revoked since the last answer. Returns whether more is there to read."""
        asked_at = time.monotonic()
        if asked_at > self.keys_at + 300:
            self.read_keys()
        after = f"?after={quote(self.cursor, safe='')}" if self.cursor else ""
        answer = self.get(f"/.well-known/revocations{after}")
        if jwt.get_unverified_header(answer).get("kid") not in self.keys:
            self.read_keys()
        claims = self.open(answer, "revocations+jwt", f"{self.issuer}/revocations")
        age = time.time() - claims["at"] / 1_000
        if claims["after"] != self.cursor or (self.cursor is None and not claims["full"]):
            raise ValueError("the answer belongs to another request")
        if not -MAX_STALE <= age <= MAX_STALE:
            raise ValueError(f"the answer is {age:.1f} seconds old by the clock of this host")
        if not all(kid in self.keys for kid in claims["keys"]):
            self.read_keys()
        for id, expires_at, epoch in claims["denials"]:
            self.deny(id, expires_at, epoch)
        self.good, self.cursor = frozenset(claims["keys"]), claims["next"]
        self.sweep()
        true_at = asked_at - max(0, age)
        if claims["full"]:
            # The whole list comes in pages: it is as old as the oldest of them.
            self.listed_from = min(true_at, self.listed_from or true_at)
        if claims["more"]:
            return True
        self.complete_at = max(self.complete_at, self.listed_from or true_at)
        had_pages, self.listed_from = self.listed_from is not None, None
        return had_pages

    def deny(self, id, expires_at, epoch):
        if epoch is None:
            self.denied[id] = max(expires_at, self.denied.get(id, 0))
        else:
            known, until = self.epochs.get(id, (0, 0))
            self.epochs[id] = max(epoch, known), max(expires_at, until)

    def sweep(self):
        """Forgets what has expired, a minute late: tokens of that time are no longer good."""
        now = time.time() - 60
        if now < self.swept_at + 60:
            return
        self.swept_at = now
        # New dicts: another thread may read the old ones.
        self.denied = {id: expiry for id, expiry in self.denied.items() if expiry > now}
        self.epochs = {id: entry for id, entry in self.epochs.items() if entry[1] > now}

    def read_keys(self):
        found = json.loads(self.get("/.well-known/jwks.json"))["keys"]
        keys = [jwt.PyJWK(key, ALGORITHMS[key["kty"]]) for key in found if key["kty"] in ALGORITHMS]
        self.keys, self.keys_at = {key.key_id: key for key in keys}, time.monotonic()

    def get(self, path):
        with urlopen(Request(self.url + path), timeout=2) as answer:
            text = answer.read(MAX_ANSWER + 1)
        if len(text) > MAX_ANSWER:
            raise ValueError(f"{path} answered more than {MAX_ANSWER} bytes")
        return text.decode()
