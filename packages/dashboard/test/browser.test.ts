import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { until } from '@oncebox/testkit'
import { kafkaMissing } from '@oncebox/testkit/harness'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing, openBrowser } from './browser.js'
import { markup, openStage, type Stage } from './stage.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const pages = {
  overview: 'Overview',
  messages: 'Messages',
  'dead-letters': 'Dead letters',
  'blocked-keys': 'Blocked keys',
  consumers: 'Consumers',
  storage: 'Relays and storage',
  replay: 'Replay',
  doctor: 'Doctor',
}
/** Where pictures of the pages go, when somebody wants to look at them. */
const pictures = process.env.ONCEBOX_SCREENSHOTS

interface Visit extends AsyncDisposable {
  readonly page: Page
  /** What a page must not do: errors on its console, requests to anywhere else. */
  readonly complaints: string[]
}

describe.skipIf(browserMissing() ?? (await kafkaMissing()))('the dashboard in a browser', { timeout: 90_000 }, () => {
  let stage: Stage
  let browser: Browser
  let address: string

  let traffic: NodeJS.Timeout | undefined

  beforeAll(async () => {
    stage = await openStage()
    browser = await openBrowser()
    address = await stage.serve()
    if (pictures !== undefined) traffic = setInterval(() => void stage.emit(24, 100), 100)
  })
  afterAll(async () => {
    clearInterval(traffic)
    await browser?.close()
    await stage?.[Symbol.asyncDispose]()
  })

  async function visit(url: string, options: { colorScheme?: 'light' | 'dark'; width?: number } = {}): Promise<Visit> {
    const { colorScheme = 'light', width = 1280 } = options
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 860 } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(url).origin)) complaints.push(`a request to ${request.url()}`)
    })
    await page.goto(url)
    await page.getByRole('heading', { level: 1 }).waitFor()
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() }
  }

  const open = async (page: Page, place: string): Promise<void> => {
    await page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`)
  }

  /** Rules of WCAG 2 A and AA, each broken one with where. */
  async function barriers(page: Page): Promise<string[]> {
    const script = `${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'best-practice'] })`
    const { violations } = (await page.evaluate(script)) as {
      violations: { id: string; nodes: { target: string[] }[] }[]
    }
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
  }

  /** Only when somebody wants to look at them. */
  async function picture(page: Page, name: string): Promise<void> {
    if (pictures === undefined) return
    mkdirSync(pictures, { recursive: true })
    await page.screenshot({ path: join(pictures, `${name}.png`) })
  }

  /** The page's own data is there: a row, a check, the flow, or the sentence that there is none. */
  async function settled(page: Page, place: string): Promise<void> {
    const main = page.locator('main')
    if (place === 'doctor') await page.locator('.checks li').first().waitFor()
    else if (place === 'overview') await page.locator('.flow').waitFor()
    else await main.locator(':is(table, form, .problems, p):visible').first().waitFor()
    await page.waitForLoadState('domcontentloaded')
  }

  describe.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 400],
    ['dark', 400],
  ] as const)('%s, %i wide', (colorScheme, width) => {
    test('no page has barriers, errors, foreign requests, scrolls sideways, or hides a button', async () => {
      await using visited = await visit(address, { colorScheme, width })
      const { page, complaints } = visited
      const found: Record<string, unknown> = {}
      for (const [place, title] of Object.entries(pages)) {
        await open(page, place)
        await page.getByRole('heading', { level: 1, name: title }).waitFor()
        await settled(page, place)
        expect(await page.title()).toBe(`${title} · oncebox`)
        const sideways = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
        const hidden = `[...document.querySelectorAll('main button')]
          .filter((button) => button.getBoundingClientRect().right > innerWidth)
          .map(({ textContent }) => 'out of sight: ' + textContent)`
        const wrong = [...(await barriers(page)), ...((await page.evaluate(hidden)) as string[])]
        if (sideways > 0) wrong.push(`scrolls sideways by ${sideways}`)
        if (wrong.length > 0) found[place] = wrong
        // The chart begins with the page.
        if (pictures !== undefined && place === 'overview') await page.waitForTimeout(20_000)
        await picture(page, `${place}-${colorScheme}-${width}`)
      }
      expect(found).toEqual({})
      expect(complaints).toEqual([])
    })
  })

  test('a message is found by its key, its whole way shown, and its payload is text whatever is in it', async () => {
    await using visited = await visit(`${address}#/messages`)
    const { page, complaints } = visited
    await page.getByLabel('Key').fill('customer-3')
    await page.getByRole('button', { name: 'Search' }).click()
    await until(async () => (await page.locator('tbody tr').count()) === 10, { what: 'the ten messages of the key' })
    await page.locator('tbody a').last().click()
    await page.getByRole('heading', { name: 'Written' }).waitFor()
    await page.getByRole('heading', { name: 'Published' }).waitFor()
    await page.getByText('billing', { exact: false }).first().waitFor()
    await page.getByRole('button', { name: 'Show the payload and headers' }).click()
    expect(await page.locator('pre').textContent()).toContain(JSON.stringify(markup).slice(1, -1))
    await picture(page, 'message')
    await page.getByRole('link', { name: /^Dead letter \d/ }).click()
    await page.getByText('card declined').first().waitFor()
    await picture(page, 'dead-letter')
    for (const summary of await page.locator('summary').all()) await summary.click()
    await picture(page, 'dead-letter-open')
    expect(await page.locator('main').textContent()).toContain(markup)
    expect(await page.title()).toBe('Dead letters · oncebox')
    expect(await barriers(page)).toEqual([])
    expect(complaints).toEqual([])
  })

  test('under a path of its own, everything is found there', async () => {
    await using visited = await visit(await stage.serve({}, '/admin/oncebox'))
    const { page, complaints } = visited
    await page.locator('.flow').waitFor()
    await open(page, 'dead-letters')
    await page.getByText('HANDLER_FAILED').waitFor()
    expect(complaints).toEqual([])
  })

  test('who may only look sees no button that changes anything, and no payload', async () => {
    const address = await stage.serve({ access: () => ({ name: 'bob' }) })
    await using visited = await visit(`${address}#/dead-letters`)
    const { page } = visited
    await page.getByText('HANDLER_FAILED').waitFor()
    expect(await page.getByRole('button', { name: 'Retry' }).count()).toBe(0)
    await open(page, 'dead-letters/1')
    await page.getByText('for those who may see payloads').waitFor()
    expect(await page.locator('main').textContent()).not.toContain('card declined')
    await page.getByText('read-only').waitFor()
  })

  test('what the host says has happened stands below the rates, as text', async () => {
    const atMs = Date.now()
    const told = ['deployed <b>7</b>', 'failed over'].map((text, place) => ({ atMs: atMs + place, text }))
    await using visited = await visit(await stage.serve({ annotations: () => told }))
    const happened = visited.page.getByRole('list', { name: 'What happened' })
    await happened.waitFor()
    expect(await happened.getByRole('listitem').allTextContents()).toEqual([
      expect.stringMatching(/^[\d:]{8} failed over$/),
      expect.stringMatching(/^[\d:]{8} deployed <b>7<\/b>$/),
    ])
    expect(visited.complaints).toEqual([])
  })

  test('a server that went away is said, and what was shown stays', async () => {
    await using visited = await visit(address)
    const { page } = visited
    await page.locator('.flow').waitFor()
    await page.route('**/api/live', (route) => route.abort())
    await page.context().setOffline(true)
    await open(page, 'dead-letters')
    await page.getByRole('alert').first().waitFor()
    await picture(page, 'offline')
    await open(page, 'overview')
    await page.locator('.flow').waitFor()
  })

  test('messages are replayed after a count, and inboxes absorb them', async () => {
    await using visited = await visit(`${address}#/replay`)
    const { page } = visited
    await page.getByLabel('Key').fill('customer-1')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByRole('button', { name: 'Publish 10 messages again' }).click()
    await page.getByRole('button', { name: 'Start' }).click()
    await page.locator('.replays').getByText('done').waitFor()
    await picture(page, 'replay-done')
    const { rows } = await stage.database.pool.query(
      `SELECT count(*)::int AS invoices FROM invoice WHERE customer = 'customer-1'`,
    )
    expect(rows).toEqual([{ invoices: 10 }])
  })

  test('one group handles messages again, after a count and with a reason, and other groups hear of nothing', async () => {
    await using visited = await visit(`${address}#/replay`)
    const { page, complaints } = visited
    await page.getByLabel('Key').fill('customer-2')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByLabel('For').selectOption({ label: 'billing alone: handle again' })
    await page.getByRole('button', { name: /^Have billing handle \d+ messages again$/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Start' }).click()
    expect(await dialog.isVisible()).toBe(true)
    await page.getByLabel('Why').fill('rates were wrong')
    await picture(page, 'replay-again')
    await dialog.getByRole('button', { name: 'Start' }).click()
    await page.locator('.replays').getByText('handled again by billing').waitFor()
    const invoices = async () => {
      const { rows } = await stage.database.pool.query(
        `SELECT count(*)::int AS invoices FROM invoice WHERE customer = 'customer-2'`,
      )
      return rows[0].invoices
    }
    await until(async () => (await invoices()) === 20, {
      what: 'the ten orders of the key to be billed again',
      deadlineMs: 60_000,
    })
    const { rows } = await stage.database.pool.query(`SELECT asked_by, why FROM oncebox.replay_run`)
    expect(rows).toEqual([{ asked_by: 'ada', why: 'rates were wrong' }])
    expect(complaints).toEqual([])
  })

  test('a lane and a topic are paused and resumed, and meanwhile it is said everywhere', async () => {
    await using visited = await visit(`${address}#/storage`)
    const { page, complaints } = visited
    const confirm = async (name: string) => {
      await page.getByRole('button', { name, exact: true }).click()
      await page.getByLabel('Why').fill('broker upgrade')
      expect(await barriers(page)).toEqual([])
      await page.getByRole('dialog').getByRole('button', { name }).click()
    }
    await confirm('Pause lane 0')
    await page.getByRole('button', { name: 'Resume lane 0' }).waitFor()
    await page.getByText('broker upgrade').first().waitFor()
    await confirm('Resume lane 0')
    await page.getByRole('button', { name: 'Pause lane 0' }).waitFor()

    await page.getByLabel('Topic', { exact: true }).fill(stage.topic)
    await page.getByRole('button', { name: 'Pause this topic' }).click()
    await page.getByText(/messages were written to it in the last hour/).waitFor()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: `Pause topic ${stage.topic}` })
      .click()
    await page.getByRole('button', { name: `Resume topic ${stage.topic}` }).waitFor()
    await picture(page, 'paused')
    await open(page, 'overview')
    await page.locator('.problems').getByText(`Topic "${stage.topic}" was paused`).waitFor()
    await open(page, 'storage')
    await confirm(`Resume topic ${stage.topic}`)
    await page.getByText(/^None\. The messages of a paused topic/).waitFor()
    expect(complaints).toEqual([])
  })

  test('with the keyboard alone, a stuck key is found and redriven, and what waited is handled in order', async () => {
    await using visited = await visit(address)
    const { page, complaints } = visited
    await page.locator('.flow').waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Skip to the content')
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press('Tab')
        const focused = await page.evaluate('document.activeElement.textContent.trim()')
        if (name.test(String(focused))) return
      }
      throw new Error(`the keyboard does not get to ${name}`)
    }
    await tabTo(/^Blocked keys/)
    await page.keyboard.press('Enter')
    await page.getByText(/dead letter \d+/).waitFor()
    stage.mend()
    await tabTo(/^Retry$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    expect(await barriers(page)).toEqual([])
    await page.keyboard.type('the card works again')
    await picture(page, 'retry')
    await tabTo(/^Retry 1 dead letter$/)
    await page.keyboard.press('Enter')
    await page.getByText('No key waits.').waitFor({ timeout: 30_000 })
    const { rows } = await stage.database.pool.query(
      `SELECT json_agg(number ORDER BY place)::text AS numbers FROM invoice WHERE customer = 'customer-3'`,
    )
    expect(JSON.parse(rows[0].numbers)).toEqual([3, 15, 27, 39, 51, 63, 75, 87, 99, 111])
    const { rows: actions } = await stage.database.pool.query(
      `SELECT action, done_by, why FROM oncebox.dead_letter_action ORDER BY number LIMIT 1`,
    )
    expect(actions).toEqual([{ action: 'retry', done_by: 'ada', why: 'the card works again' }])
    expect(complaints).toEqual([])
  })

  test('a stuck key goes on after three clicks from the first page, each on a button that says so', async () => {
    await stage.poison('customer-50', 4)
    const stuck = async () => {
      const { rows } = await stage.database.pool.query(`SELECT count(*)::int AS letters FROM oncebox.dead_letter`)
      return rows[0].letters === 1
    }
    await until(stuck, { what: 'the key to be stuck', deadlineMs: 30_000 })
    stage.mend()
    await using visited = await visit(address)
    const { page, complaints } = visited
    const began = performance.now()
    let clicks = 0
    const click = async (name: RegExp) => {
      clicks += 1
      await page.getByRole('button', { name }).or(page.getByRole('link', { name })).click()
    }
    await click(/^Read why, retry or discard$/)
    await page.getByText('HANDLER_FAILED').waitFor()
    await picture(page, 'stuck')
    await click(/^Retry$/)
    await picture(page, 'stuck-confirm')
    await click(/^Retry 1 dead letter$/)
    const handled = async () => {
      const { rows } = await stage.database.pool.query(
        `SELECT coalesce(json_agg(number ORDER BY place), '[]')::text AS numbers FROM invoice WHERE customer = 'customer-50'`,
      )
      return rows[0].numbers === '[0, 1, 2, 3]'
    }
    await until(handled, { what: 'the orders of the key to be billed in order', deadlineMs: 60_000 })
    if (pictures !== undefined) console.info(`${clicks} clicks, ${Math.round(performance.now() - began)} ms`)
    await page.getByText('There are none.').waitFor()
    expect(clicks).toBe(3)
    expect(complaints).toEqual([])
  })
})
