import { hkdfSync } from 'node:crypto'
import t from 'tap'
import { createCeremonies } from '../../../src/features/passkeys/ceremonies.js'

// WebAuthn Level 3, "Test Vectors": ES256 credential with no attestation.
const attestationObject =
  'a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220'
const creation =
  '7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d507434557878475453746e63647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c453551227d'
const authenticatorData =
  'bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000'
const request =
  '7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d'
const signature =
  '3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87'
const credentialId = 'f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4'

const text = (hex: string) => Buffer.from(hex, 'hex').toString('base64url')
const derived = (salt: string, info: string) =>
  Buffer.from(hkdfSync('sha256', 'WebAuthn test vectors', Buffer.from(salt, 'hex'), info, 32))
const id = text(credentialId)
const credential = { id, rawId: id, type: 'public-key' as const }

t.test(
  'the vectors of the specification are accepted, and refused with a bit changed',
  async (t) => {
    const asked: string[] = []
    const ceremonies = createCeremonies(
      { id: 'example.org', origins: ['https://example.org'] },
      {
        make: () => '',
        open: (challenge) => {
          asked.push(challenge)
          return { id: 'x', expires_at: 0 }
        },
      },
    )
    const { passkey } = await ceremonies.readNew(
      {
        ...credential,
        response: { attestationObject: text(attestationObject), clientDataJSON: text(creation) },
      },
      { purpose: 'register' },
    )
    t.match(passkey, {
      aaguid: '8446ccb9-ab1d-b374-750b-2367ff6f3a1f',
      sign_count: 0,
      backup_eligible: true,
      backed_up: true,
    })
    t.equal(passkey.credential_id.toString('hex'), credentialId)
    const stored = { ...passkey, id: 'x', user_id: 'x' }
    const readAnswer = (changed: string) =>
      ceremonies.readAnswer(
        {
          ...credential,
          response: {
            clientDataJSON: text(request),
            authenticatorData: text(authenticatorData),
            signature: text(changed),
          },
        },
        stored,
        { purpose: 'login' },
      )
    t.match(await readAnswer(signature), { sign_count: 0, backed_up: true, isVerified: false })
    await t.rejects(readAnswer(signature.replace(/7$/, '6')), { code: 'invalid_passkey' })
    t.equal(
      asked[0],
      derived('00', 'none.ES256').toString('base64url'),
      'as the specification derives it',
    )
  },
)
