/** How an account stands to an address that it has. */
export type Holding = {
  /** Whether this address was proven. */
  verified: boolean
  /** Whether any address of the account was. */
  proven: boolean
  disabled: boolean
}

/**
 * Whether an account has an address without any right to it: another of its addresses was proven, this
 * one never was. The account is not its owner's, so a reset must not open it; its owner gets one of
 * their own.
 */
export const isClaimable = ({ verified, proven, disabled }: Holding): boolean =>
  proven && !verified && !disabled
