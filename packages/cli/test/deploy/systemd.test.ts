import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root } from '../docs/pages.js'
import { deployed, requireKnown, requireNoSecret } from './commandLine.js'

const run = promisify(execFile)

/** The settings of a unit as `systemd.syntax` reads them: sections, comments, the same name more than once. */
function unit(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>()
  let section = ''
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const heading = /^\[(\w+)\]$/.exec(line)?.[1]
    if (heading !== undefined) section = heading
    const [, name, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (name === undefined) continue
    const key = `${section}.${name}`
    settings.set(key, [...(settings.get(key) ?? []), value])
  }
  return settings
}

const settings = unit(deployed('systemd/oncebox-relay.service'))
const one = (key: string): string | undefined => settings.get(key)?.[0]

test('the unit starts a relay as the command line takes it, as a user of its own, and gives it time to stop', async () => {
  const [, line = ''] = one('Service.ExecStart')?.split('/dist/bin.js ') ?? []
  const environment = [...deployed('systemd/relay.env').matchAll(/^(\w+)=/gm)].map(([, name]) => name as string)
  expect(environment).toContain('DATABASE_URL')
  const flags = await requireKnown({ args: line.split(' '), environment })
  expect(Number(one('Service.TimeoutStopSec')) * 1000).toBeGreaterThan(Number(flags.get('--deadline-ms')) + 2_000)
  expect(one('Service.User')).toBe('oncebox')
  expect(one('Service.Restart')).toBe('always')
  requireNoSecret(deployed('systemd/relay.env'))
})

test('the unit is hardened', () => {
  for (const name of ['NoNewPrivileges', 'ProtectHome', 'PrivateTmp', 'PrivateDevices', 'RestrictSUIDSGID']) {
    expect(one(`Service.${name}`), name).toBe('yes')
  }
  expect(one('Service.ProtectSystem')).toBe('strict')
  expect(one('Service.CapabilityBoundingSet')).toBe('')
})

test('systemd finds nothing wrong with the unit, where systemd is', async ({ skip }) => {
  const file = fileURLToPath(new URL('deploy/systemd/oncebox-relay.service', `file://${root}`))
  const verified = await run('systemd-analyze', ['verify', '--man=no', file]).catch(
    (error: NodeJS.ErrnoException & { stderr: string }) => error,
  )
  if (verified instanceof Error && verified.code === 'ENOENT') {
    process.stderr.write('the unit is not verified: there is no systemd-analyze here\n')
    return skip('no systemd-analyze')
  }
  // What it says of the machine itself is none of ours.
  expect(verified.stderr.split('\n').filter((line) => line.includes('oncebox-relay'))).toEqual([])
})
