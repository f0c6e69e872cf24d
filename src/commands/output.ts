import { InvalidArgumentError } from 'commander'
import { escapeControls } from '../log/escape.js'

export type Print = (line: string) => void

type Cell = string | number | boolean | null | undefined | string[]

export const jsonFlag = ['--json', 'print JSON instead'] as const

export const printJson = (print: Print, value: unknown) => print(JSON.stringify(value, null, 2))

/** Prints a line of cells, separated by tabs. A list is separated by commas. */
export function printCells(print: Print, ...cells: Cell[]): void {
  const texts = cells.map((cell) => (Array.isArray(cell) ? cell.join(',') : String(cell ?? '')))
  print(texts.map(escapeControls).join('\t'))
}

/** Reads the value of an option that may be repeated. */
export const collect = (value: string, before: string[]) => [...before, value]

/** Reads an id of an entry or a user. */
export function readId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text
  throw new InvalidArgumentError('It must be an id such as 0192f3a4-5b6c-7d8e-9f01-23456789abcd.')
}

/** Reads a whole number between two bounds. */
export const wholeNumber = (minimum: number, maximum: number) => (text: string) => {
  const value = Number(text)
  if (/^[0-9]+$/.test(text) && value >= minimum && value <= maximum) return value
  throw new InvalidArgumentError(
    `It must be a whole number from ${String(minimum)} to ${String(maximum)}.`,
  )
}
