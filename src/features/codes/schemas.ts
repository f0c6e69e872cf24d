import { Type, type Static } from '@sinclair/typebox'
import { IdentifierText } from '../identifiers/schemas.js'

/** The proof that a message arrived: the token of its link, or its address and code. */
export const proof = {
  token: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'the token of the link' }),
  ),
  email: Type.Optional(IdentifierText('the address that the code was sent to')),
  mobile: Type.Optional(IdentifierText('the number that the code was sent to')),
  code: Type.Optional(Type.String({ pattern: '^[0-9]{8}$', description: 'eight digits' })),
}

export const ProofBody = Type.Object(proof, { title: 'ProofBody', additionalProperties: false })
export type ProofBody = Static<typeof ProofBody>
