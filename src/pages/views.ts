import { readFileSync } from 'node:fs'
import { Eta, type TemplateFunction } from 'eta'
import { root } from '../config/root.js'

declare const isMarkup: unique symbol

/** HTML that a view rendered. Pages consist only of markup, so no other text gets into them unescaped. */
export type Markup = string & { readonly [isMarkup]: true }

const folder = new URL('src/pages/views/', root)
const eta = new Eta({ autoEscape: true, autoTrim: [false, 'nl'] })

/** Reads a template of views/ when a module loads. It is compiled when it is first rendered, so a start is short. */
export function compileView<Data extends object>(name: string): (data: Data) => Markup {
  const text = readView(`${name}.eta`)
  let template: TemplateFunction | undefined
  return (data) => eta.render((template ??= eta.compile(text)), data) as Markup
}

/** Reads a style sheet of views/ as one line. */
export const readStyle = (name: string) => readView(`${name}.css`).replaceAll(/\s+/g, ' ')

/** Reads a file of views/. */
export const readView = (file: string) => readFileSync(new URL(file, folder), 'utf8')
