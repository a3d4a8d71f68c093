import type { Overview } from '@oncebox/dashboard'
import { expect, test } from 'vitest'
import { startOncebox } from '../oncebox.js'

async function firstPicture(url: string): Promise<Overview> {
  const response = await fetch(url)
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.endsWith('\n\n')) text += (await reader.read()).value
  await reader.cancel()
  return JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? 'null')
}

test('with --dashboard the demo can be watched while it runs and looked at afterwards, until it is stopped', async () => {
  const demo = startOncebox(['demo', '--messages', '200', '--dashboard', '--json'])
  const account = await demo.event(({ emitted }) => emitted === 200, 240_000)
  expect(account).toMatchObject({ lost: 0, duplicatesApplied: 0, orderViolations: 0 })
  const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(demo.stderr())?.[0] as string
  expect(await (await fetch(`${url}api/me`)).json()).toMatchObject({ mayAct: true })
  expect(await (await fetch(url)).text()).toContain('<title>oncebox</title>')
  const picture = await firstPicture(`${url}api/live`)
  // The group is known although its transport has no offsets, and what was done to it stands there.
  expect(picture.consumers.map(({ group }) => group)).toEqual(['billing'])
  const story = picture.annotations.map(({ text }) => text)
  expect(story.filter((text) => text.startsWith('SIGKILL the relay'))).not.toEqual([])
  expect(story.at(-1)).toContain('The account balances')
  demo.process.kill('SIGTERM')
  expect(await demo.ended).toMatchObject({ code: 0 })
}, 300_000)
