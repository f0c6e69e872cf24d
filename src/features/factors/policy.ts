/** MFA: who needs a second factor. */
export type FactorMode = 'optional' | 'required' | 'required:admin'

/** Whether a user with these roles needs a second factor. */
export const needsFactor = (mode: FactorMode, roles: string[]): boolean =>
  mode === 'required' || (mode === 'required:admin' && roles.includes('admin'))
