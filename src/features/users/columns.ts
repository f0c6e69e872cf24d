import pg from 'pg'

/**
 * A user as the wire shows one; `roles` is the query for their names. The URL comes from the
 * configuration, and is the same in every statement, so it is part of the text.
 */
export function columnsWith(roles: string, publicUrl: string): string {
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

export const userColumns = (publicUrl: string) =>
  columnsWith('select role from user_roles where user_id = users.id order by role', publicUrl)
