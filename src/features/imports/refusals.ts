/** A row that is not imported as it is. `place` is its line or number. */
export type Refusal = { place: number; identifier: string; reason: string }

/** Reports the rows of a batch in the order of the source, though they are refused in several steps. */
export function inOrder(report: (refusal: Refusal) => void) {
  let held: Refusal[] = []
  return {
    add: (row: Refusal) => void held.push(row),
    flush(): void {
      for (const row of held.sort((one, other) => one.place - other.place)) report(row)
      held = []
    },
  }
}
