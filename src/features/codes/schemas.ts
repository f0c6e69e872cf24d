import { Type, type Static } from '@sinclair/typebox'
import { base64Url256, matching } from '../../http/patterns.js'
import { IdentifierText } from '../identifiers/schemas.js'

/** The proof that a message arrived: the token of its link, or its address and code. */
export const proof = {
  token: Type.Optional(Type.String({ ...base64Url256, description: 'the token of the link' })),
  email: Type.Optional(IdentifierText('the address that the code was sent to')),
  mobile: Type.Optional(IdentifierText('the number that the code was sent to')),
  code: Type.Optional(
    Type.String({ ...matching('^[0-9]{8}$', 'must be eight digits'), description: 'eight digits' }),
  ),
}

export const ProofBody = Type.Object(proof, { title: 'ProofBody', additionalProperties: false })
export type ProofBody = Static<typeof ProofBody>
