import pg from 'pg'

/** `roles` is a query for the names of the roles. The URL is constant, so it is part of the SQL text. */
function columnsWith(roles: string, publicUrl: string): string {
  const base = pg.escapeLiteral(`${publicUrl}/api/users/`)
  return `
  id, name, username, email, mobile, gender,
  email_verified_at is not null as email_verified, mobile_verified_at is not null as mobile_verified,
  activated_at is not null and disabled_at is null as active,
  array(${roles}) as roles,
  (select ${base} || user_id || '/picture?v=' || hash from pictures where user_id = users.id)
    as picture_url,
  (select ${base} || user_id || '/readme' from readmes where user_id = users.id) as readme_url,
  created_at, updated_at`
}

/** Null before the first login. */
export const lastLogin = `nullif(last_logins.at, '-infinity')`

/**
 * Select lists: `user` for the schema User, `created` for a user inserted by the same statement, `account`
 * for the schema Account, of `users` joined with `last_logins`.
 */
export function userColumns(publicUrl: string) {
  const roles = 'select role from user_roles where user_id = users.id order by role'
  const user = columnsWith(roles, publicUrl)
  return {
    user,
    created: columnsWith('select role from granted', publicUrl),
    account: `${user}, activated_at, disabled_at, email_verified_at, mobile_verified_at,
      ${lastLogin} as last_login_at`,
  }
}

export type UserColumns = ReturnType<typeof userColumns>
