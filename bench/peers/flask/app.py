"""The same service on Flask, PyJWT and bcrypt, under gunicorn."""
import os
import uuid
from datetime import datetime, timedelta, timezone

import bcrypt
import jwt
from flask import Flask, jsonify, request
from psycopg2.pool import ThreadedConnectionPool

SECRET = os.environ["SECRET"]
app = Flask(__name__)
pool = ThreadedConnectionPool(1, 10, os.environ["DATABASE_URL"])


def query(text, *values):
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchone() if cursor.description else cursor.rowcount
    finally:
        pool.putconn(connection)


def sign(sub, jti, minutes):
    expires = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    return jwt.encode({"sub": sub, "jti": jti, "exp": expires}, SECRET, "HS256")


def pair_for(user_id):
    jti = str(uuid.uuid4())
    query("insert into refresh_tokens values (%s, %s, now() + interval '14 days')", jti, user_id)
    return jsonify(
        access_token=sign(user_id, str(uuid.uuid4()), 15),
        refresh_token=sign(user_id, jti, 14 * 24 * 60),
    )


def claims_of(token):
    try:
        return jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return None


def caller():
    claims = claims_of(request.headers.get("Authorization", "")[7:])
    if claims is None or query("select 1 from revoked where id = %s", claims["jti"]):
        return None
    return claims


def refused():
    return jsonify(error="unauthorized"), 401


@app.get("/health")
def health():
    return jsonify(ok=True)


@app.post("/register")
def register():
    body = request.get_json()
    hashed = bcrypt.hashpw(body["password"].encode(), bcrypt.gensalt(12)).decode()
    query("insert into users values (%s, %s, %s) on conflict do nothing", str(uuid.uuid4()), body["email"], hashed)
    return jsonify(ok=True), 201


@app.post("/login")
def login():
    body = request.get_json()
    row = query("select id::text, password_hash from users where email = %s", body["email"])
    if row is None or not bcrypt.checkpw(body["password"].encode(), row[1].encode()):
        return refused()
    return pair_for(row[0])


@app.get("/user")
def user():
    claims = caller()
    if claims is None:
        return refused()
    row = query("select id::text, email from users where id = %s", claims["sub"])
    return jsonify(id=row[0], email=row[1])


@app.post("/refresh")
def refresh():
    claims = claims_of(request.get_json()["refresh_token"])
    if claims is None or query("delete from refresh_tokens where id = %s", claims["jti"]) == 0:
        return refused()
    return pair_for(claims["sub"])


@app.post("/logout")
def logout():
    claims = caller()
    if claims is None:
        return refused()
    query("insert into revoked values (%s) on conflict do nothing", claims["jti"])
    return jsonify(ok=True)
