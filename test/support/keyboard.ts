import type { Page } from 'playwright-core'

type Key = 'Enter' | 'Space'

/** An element that has the focus. */
type Stop = { index: number; name: string; isSeen: boolean }

/** What may get the focus, in the order of the page, and the names that people see. */
const controls = `[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
  .filter((one) => one.checkVisibility() && one.type !== 'hidden')`
const nameOf = `(one) => (one.getAttribute('aria-label') ?? one.labels?.[0]?.innerText ?? one.innerText).trim()`

/** Whether the focus is seen: nothing covers its middle, and its ring is on the screen. */
const focused = `(() => {
  const one = document.activeElement
  const index = ${controls}.indexOf(one)
  if (index < 0) return null
  const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(one)
  const ring = parseFloat(outlineWidth) + parseFloat(outlineOffset)
  const { top, bottom, left, right } = one.getBoundingClientRect()
  const isOnScreen = top >= ring && left >= ring && bottom + ring <= innerHeight && right + ring <= innerWidth
  const middle = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
  const hasRing = outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2
  return { index, name: (${nameOf})(one), isSeen: hasRing && isOnScreen && one.contains(middle) }
})()`

/** A test fails at so many, instead of going round for ever. */
const maxStops = 100

/** A person who uses a page by the keyboard alone. */
export function keyboardOf(page: Page) {
  const { keyboard } = page
  const read = () => page.evaluate<Stop | null>(focused)

  async function tabTo(name: string): Promise<void> {
    for (let count = 0; count < maxStops; count += 1) {
      if ((await read())?.name === name) return
      await keyboard.press('Tab')
    }
    throw new Error(`Tab does not reach "${name}" on ${page.url()}`)
  }

  return {
    tabTo,
    controls: () => page.evaluate<string[]>(`${controls}.map(${nameOf})`),

    /** Where a key leads, until it has gone round. */
    async walk(key: 'Tab' | 'Shift+Tab'): Promise<Stop[]> {
      const stops: Stop[] = []
      for (let count = 0; count < maxStops; count += 1) {
        await keyboard.press(key)
        const stop = await read()
        // Between the last control and the first one is the browser's own interface.
        if (stop === null) continue
        if (stop.index === stops[0]?.index) return stops
        stops.push(stop)
      }
      throw new Error(`${key} does not go round on ${page.url()}`)
    },

    async press(name: string, key: Key = 'Enter'): Promise<void> {
      await tabTo(name)
      await keyboard.press(key)
    },

    /** Presses a key on a link or a button, until the next page is there. */
    async follow(name: string, key: Key = 'Enter'): Promise<void> {
      await tabTo(name)
      await Promise.all([page.waitForEvent('load'), keyboard.press(key)])
    },

    /** Sends the form of the field that has the focus, until the next page is there. */
    async send(): Promise<void> {
      await Promise.all([page.waitForEvent('load'), keyboard.press('Enter')])
    },

    /** Replaces the text of a field. */
    async type(label: string, text: string): Promise<void> {
      await tabTo(label)
      await keyboard.press('Control+A')
      await keyboard.type(text)
    },
  }
}
