import type { FieldError } from '../../errors.js'
import { oneLine, profileLengths } from './schemas.js'

/** The profile fields as they are stored. `null` means not set. */
export type ProfileFields = { name: string | null; gender: string | null }

/** Changes of the profile: `null` removes a value, an absent field stays unchanged. */
export type ProfileChanges = { [Field in keyof ProfileFields]?: ProfileFields[Field] | undefined }

const normalize = (text: string | null) => text?.normalize('NFC').trim() || null

/** The fields that are present, tidied as they are stored. */
export function readProfile({ name, gender }: ProfileChanges): Partial<ProfileFields> {
  return {
    ...(name !== undefined && { name: normalize(name) }),
    ...(gender !== undefined && { gender: gender?.trim() || null }),
  }
}

/** The profile of a new user. */
export const newProfile = (typed: ProfileChanges = {}): ProfileFields => ({
  name: null,
  gender: null,
  ...readProfile(typed),
})

/** Picks the profile fields of an object. */
export const profileOf = ({ name, gender }: ProfileFields): ProfileFields => ({ name, gender })

const isOneLine = new RegExp(oneLine.pattern, 'u')

/** The faults of a profile. Forms and the command line have no schema for it, as JSON has. */
export function faultsOfProfile(typed: ProfileChanges): FieldError[] {
  return (['name', 'gender'] as const).flatMap((field) => {
    const text = typed[field] ?? ''
    const max = profileLengths[field]
    if (isOneLine.test(text) && Array.from(text).length <= max) return []
    return [{ field, message: `must be one line of at most ${String(max)} characters` }]
  })
}
