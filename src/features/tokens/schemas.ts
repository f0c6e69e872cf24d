import { Type } from '@sinclair/typebox'

/** RFC 7517 §4: the public members of EC, OKP and RSA keys. */
export const JwkSet = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String(),
        kid: Type.String({ description: 'RFC 7638 thumbprint' }),
        alg: Type.String(),
        use: Type.Literal('sig'),
        crv: Type.Optional(Type.String()),
        x: Type.Optional(Type.String()),
        y: Type.Optional(Type.String()),
        n: Type.Optional(Type.String()),
        e: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: 'JwkSet' },
)
