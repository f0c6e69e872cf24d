/** What users say of themselves, as it is stored. `null` is a value that is not set. */
export type ProfileFields = { name: string | null; gender: string | null }

/** `null` takes a value away; an absent one stays. */
export type ProfileChanges = { [Field in keyof ProfileFields]?: ProfileFields[Field] | undefined }

const tidy = (text: string | null) => text?.normalize('NFC').trim() || null

/** The fields that are present, tidied as they are stored. */
export function readProfile({ name, gender }: ProfileChanges): Partial<ProfileFields> {
  return {
    ...(name !== undefined && { name: tidy(name) }),
    ...(gender !== undefined && { gender: gender?.trim() || null }),
  }
}

/** The profile of a new user. */
export const newProfile = (typed: ProfileChanges = {}): ProfileFields => ({
  name: null,
  gender: null,
  ...readProfile(typed),
})

/** The profile alone, of what holds one. */
export const profileOf = ({ name, gender }: ProfileFields): ProfileFields => ({ name, gender })
