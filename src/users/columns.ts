/** A user as the wire shows one; `roles` is the query for their names. */
export const columnsWith = (roles: string) => `
  id, name, username, email, mobile, gender,
  activated_at is not null and disabled_at is null as active,
  array(${roles}) as roles,
  created_at, updated_at`

export const userColumns = columnsWith(
  'select role from user_roles where user_id = users.id order by role',
)
