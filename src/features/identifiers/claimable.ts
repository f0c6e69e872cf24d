/** Facts about an account and one address that it has. */
export type HolderState = {
  /** Whether this address is verified. */
  verified: boolean
  /** Whether any address of the account is verified. */
  proven: boolean
  disabled: boolean
}

/**
 * Whether the owner of an address may claim it from the account that has it. The account has verified
 * another address, but never this one, so its user may have typed a stranger's address. A password reset
 * by this address must not open the account; the owner of the address gets a new account instead.
 */
export const isClaimable = ({ verified, proven, disabled }: HolderState): boolean =>
  proven && !verified && !disabled
