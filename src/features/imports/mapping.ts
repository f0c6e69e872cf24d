/** The fields that an import fills, each with the names of columns that usually hold it. */
const guesses = {
  id: ['id', 'uuid', 'uid', 'user_id', 'public_id', 'localid'],
  name: ['name', 'full_name', 'fullname', 'display_name', 'displayname'],
  username: ['username', 'user_name', 'login', 'nickname'],
  email: ['email', 'email_address', 'mail'],
  mobile: ['mobile', 'mobile_number', 'phone', 'phone_number', 'phonenumber'],
  gender: ['gender', 'sex'],
  password_hash: [
    'password_hash',
    'password',
    'hashed_password',
    'encrypted_password',
    'passwordhash',
    'passwd',
    'pw_hash',
    'pwhash',
  ],
  password_salt: ['password_salt', 'salt', 'pw_salt'],
  activated: ['activated_at', 'activated', 'confirmed_at', 'confirmed', 'status'],
  enabled: ['is_active', 'enabled', 'active'],
  disabled: ['disabled_at', 'disabled', 'is_disabled', 'banned'],
  created_at: [
    'created_at',
    'createdat',
    'created',
    'created_on',
    'date_joined',
    'registered_at',
    'registered_on',
    'date_registered',
  ],
  updated_at: ['updated_at', 'updatedat'],
  last_login_at: ['last_login_at', 'last_login', 'last_sign_in_at', 'lastloginat', 'last_seen'],
  picture: ['picture', 'profile_pic', 'profile_picture', 'avatar', 'image_file'],
  // Only the operator says these: each gives rights.
  email_verified: [],
  mobile_verified: [],
  roles: [],
  admin: [],
} as const satisfies Record<string, readonly string[]>

export type ImportField = keyof typeof guesses
export const importFields = Object.keys(guesses) as ImportField[]

/** The column of each field. */
export type Mapping = Partial<Record<ImportField, string>>

/**
 * Guesses the columns of the fields. `given` wins, and a column that it names is not guessed for another field.
 * An empty column in `given` leaves the field out.
 */
export function guessMapping(columns: readonly string[], given: Mapping): Mapping {
  const mapping: Mapping = {}
  const taken = new Set(Object.values(given))
  for (const field of importFields) {
    const named = given[field]
    const names: readonly string[] = guesses[field]
    const found =
      named ??
      names
        .map((name) => columns.find((column) => column.toLowerCase() === name))
        .find((column) => column !== undefined && !taken.has(column))
    if (found) mapping[field] = found
  }
  return mapping
}

/** The fields of an export of Gatehouse. */
export const exportMapping: Mapping = {
  id: 'id',
  name: 'name',
  username: 'username',
  email: 'email',
  mobile: 'mobile',
  gender: 'gender',
  password_hash: 'password_hash',
  activated: 'activated_at',
  disabled: 'disabled_at',
  created_at: 'created_at',
  updated_at: 'updated_at',
  last_login_at: 'last_login_at',
  email_verified: 'email_verified_at',
  mobile_verified: 'mobile_verified_at',
  roles: 'roles',
}

/** The columns that a mapping names and the source lacks. */
export const missingColumns = (columns: readonly string[], mapping: Mapping): string[] =>
  Object.values(mapping).filter((column) => !columns.includes(column))
