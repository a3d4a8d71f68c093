import { expect, test } from 'vitest'
import { startOncebox } from '../oncebox.js'

test('with --dashboard the demo can be watched while it runs and looked at afterwards, until it is stopped', async () => {
  const demo = startOncebox(['demo', '--messages', '200', '--dashboard', '--json'])
  const account = await demo.event(({ emitted }) => emitted === 200, 60_000)
  expect(account).toMatchObject({ lost: 0, duplicatesApplied: 0, orderViolations: 0 })
  const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(demo.stderr())?.[0] as string
  expect(await (await fetch(`${url}api/me`)).json()).toMatchObject({ mayAct: true })
  expect(await (await fetch(url)).text()).toContain('<title>oncebox</title>')
  demo.process.kill('SIGTERM')
  expect(await demo.ended).toMatchObject({ code: 0 })
}, 90_000)
