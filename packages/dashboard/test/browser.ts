import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/**
 * Why tests in a browser are to be skipped, or undefined. In CI (`CI=true`) nothing is skipped, and opening the browser
 * fails the tests instead.
 */
export function browserMissing(): string | undefined {
  if (process.env.CI === 'true' || places.some((place) => existsSync(place))) return undefined
  const reason = 'Chromium is not installed (apt-get install chromium)'
  process.stderr.write(`Browser tests are skipped: ${reason}\n`)
  return reason
}

/** Headless Chromium of the system: none is fetched. The caller closes it. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = places.find((place) => existsSync(place))
  if (executablePath === undefined) throw new Error('Chromium is not installed (apt-get install chromium)')
  // Chromium refuses its sandbox to root, who runs the tests in containers.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
}
