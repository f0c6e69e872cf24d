"""Verifies tokens with the libraries that Debian has, as their manuals say; prints JSON."""
import json
import sys
import urllib.request

import jwt
from authlib.jose import JsonWebKey, JsonWebToken
from jose import jwt as python_jose
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

given = json.load(sys.stdin)
uri, issuer, audience, algorithm = (given[name] for name in ("uri", "issuer", "audience", "algorithm"))
with urllib.request.urlopen(uri) as answer:
    text = answer.read().decode()
key_set = json.loads(text)
client = jwt.PyJWKClient(uri)


def pyjwt(token):
    key = client.get_signing_key_from_jwt(token).key
    jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=issuer)


def pyjwt_lax(token):
    key = jwt.PyJWKSet.from_dict(key_set).keys[0].key
    jwt.decode(token, key, algorithms=[algorithm], options={"verify_aud": False})


def authlib(token):
    options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": audience}}
    keys = JsonWebKey.import_key_set(key_set)
    JsonWebToken([algorithm]).decode(token, keys, claims_options=options).validate()


def authlib_lax(token):
    JsonWebToken([algorithm, "HS256"]).decode(token, JsonWebKey.import_key_set(key_set)).validate()


def jwcrypto(token):
    keys = jwcrypto_jwk.JWKSet.from_json(text)
    jwcrypto_jwt.JWT(jwt=token, key=keys, check_claims={"iss": issuer, "aud": audience})


def jwcrypto_lax(token):
    jwcrypto_jwt.JWT(jwt=token, key=jwcrypto_jwk.JWKSet.from_json(text))


def jose(token):
    python_jose.decode(token, key_set, algorithms=[algorithm], audience=audience, issuer=issuer)


def jose_lax(token):
    python_jose.decode(token, key_set, algorithms=[algorithm], options={"verify_aud": False})


def is_accepted(verify, token):
    try:
        verify(token)
        return True
    except Exception:
        return False


verifiers = {
    "PyJWT": pyjwt,
    "PyJWT, lax": pyjwt_lax,
    "Authlib": authlib,
    "Authlib, lax": authlib_lax,
    "jwcrypto": jwcrypto,
    "jwcrypto, lax": jwcrypto_lax,
    "python-jose": jose,
    "python-jose, lax": jose_lax,
}
json.dump(
    {name: [is_accepted(verify, token) for token in given["tokens"]] for name, verify in verifiers.items()},
    sys.stdout,
)
