import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { runProgram } from '../src/command/program.js'
import { oncebox } from './oncebox.js'

const verbs = [
  'migrate',
  'plan',
  'relay',
  'lanes',
  'pause',
  'resume',
  'topics',
  'status',
  'tail',
  'show',
  'lag',
  'doctor',
  'roles',
  'dead',
  'replay',
  'verify',
  'prune',
  'init',
  'completion',
  'dashboard',
  'demo',
  'bench',
]
const databaseVerbs = ['migrate', 'plan', 'status', 'tail', 'lag', 'doctor', 'prune']
const nobody = 'postgres://somebody:canary-password@127.0.0.1:1/shop'

test('without a verb the help goes to stderr and the exit code says usage', async () => {
  const { code, stdout, stderr } = await oncebox([])
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('Usage: oncebox')
})

test('an argument with a NUL, which only a program can pass, is wrong usage', async () => {
  const said: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  expect(await runProgram(['node', 'oncebox', 'show', 'a\0b'])).toBe(2)
  vi.restoreAllMocks()
  expect(said).toEqual(['error: an argument holds a NUL character\n'])
})

test('--help and --version go to stdout and are fine', async () => {
  const help = await oncebox(['--help'])
  expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: '' })
  for (const verb of verbs) expect(help.stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, 'm'))
  expect(help.stdout.match(/^ {2}[a-z]+ \[options\]/gm)).toHaveLength(verbs.length)

  const version = await oncebox(['--version'])
  expect(version).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
})

test.each(verbs)('%s --help shows examples of itself and needs no database', async (verb) => {
  const { code, stdout, stderr } = await oncebox([verb, '--help'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain(`$ oncebox ${verb}`)
  expect(stdout).toContain('--json')
})

describe('what is typed wrong is refused with exit code 2 and nothing on stdout', () => {
  test.each([
    ['a verb that there is not', ['migrat']],
    ['an unknown flag', ['plan', '--databse-url', nobody]],
    ['an argument that is not taken', ['plan', 'now']],
    ['a flag without its value', ['plan', '--database-url']],
    ['a log level that there is not', ['plan', '--log-level', 'loud']],
    ['a number that is none', ['migrate', '--print', '--from', 'six']],
    ['a number below the first', ['migrate', '--print', '--from', '0']],
    ['a count below nothing', ['tail', '--last', '-1', '--database-url', nobody]],
    ['an action of dead that there is not', ['dead', 'bury', '--database-url', nobody]],
    ['a dead letter that is no number', ['dead', 'show', 'x', '--database-url', nobody]],
    ['a discard without a reason', ['dead', 'discard', '17', '--database-url', nobody]],
    ['a retry of nothing in particular', ['dead', 'retry', '--database-url', nobody]],
    ['a consumer database that is none', ['doctor', '--consumer-url', 'mysql://x', '--database-url', nobody]],
    ['an age that is none', ['dead', 'list', '--older', 'yesterday', '--database-url', nobody]],
    ['an action of topics that there is not', ['topics', 'grow', 'orders', '--database-url', nobody]],
    ['a repin of no topic', ['topics', 'repin', '--brokers', '127.0.0.1:1', '--database-url', nobody]],
    ['a repin without brokers', ['topics', 'repin', 'orders', '--by', 'ann', '--database-url', nobody]],
    ['show without an id', ['show', '--database-url', nobody]],
    ['a replay of nothing in particular', ['replay', '--database-url', nobody]],
    ['a replay of no id', ['replay', 'order-1', '--database-url', nobody]],
    ['a replay since a time that is none', ['replay', '--since', 'monday', '--database-url', nobody]],
    ['half of a replay to go on with', ['replay', '--topic', 'x', '--after', '7', '--database-url', nobody]],
    ['--roles with --print', ['migrate', '--roles', '--print']],
    ['a role that is no name', ['roles', '--producer', 'x'.repeat(64)]],
    ['--from without --print', ['migrate', '--from', '2', '--database-url', nobody]],
    ['a URL of something else', ['plan', '--database-url', 'mysql://localhost/shop']],
    ['a URL that cannot be read', ['plan', '--database-url', 'postgres://u:canary-password@host:port/x']],
    ['an empty schema name', ['migrate', '--database-url', nobody, '--schema', '']],
    ['a schema name that Postgres keeps', ['migrate', '--print', '--schema', 'pg_mine']],
    ['a schema name that is too long', ['plan', '--database-url', nobody, '--schema', 'x'.repeat(64)]],
  ])('%s', async (_what, args) => {
    const { code, stdout, stderr } = await oncebox(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toBe('')
    expect(stderr).not.toContain('canary-password')
  })

  test.each(databaseVerbs)('%s without a database', async (verb) => {
    const { code, stdout, stderr } = await oncebox([verb], { environment: { DATABASE_URL: '' } })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('DATABASE_URL')
  })
})

test.each(databaseVerbs)('%s with nobody at the address says host and port and exits with 3', async (verb) => {
  const { code, stdout, stderr } = await oncebox([verb, '--json'], { environment: { DATABASE_URL: nobody } })
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  const line = JSON.parse(stderr) as Record<string, unknown>
  expect(line).toMatchObject({ level: 'error', code: 'DATABASE_UNREACHABLE' })
  expect(line.msg).toBe('Cannot reach the database at 127.0.0.1:1 (ECONNREFUSED)')
  expect(stderr).not.toMatch(/canary-password|somebody/)
})

test('a flag typed wrong with a connection string in it does not print it', async () => {
  const { code, stderr } = await oncebox(['plan', `--database-ur=${nobody}`])
  expect(code).toBe(2)
  expect(stderr).not.toMatch(/canary-password|somebody|127\.0\.0\.1/)
})

test('a flag goes before the environment', async () => {
  const { stderr } = await oncebox(['plan', '--database-url', 'postgres://127.0.0.1:2/x'], {
    environment: { DATABASE_URL: nobody },
  })
  expect(stderr).toContain('127.0.0.1:2')
})

test('npm run oncebox -- VERB --json has JSON and nothing else on stdout', async () => {
  const cwd = fileURLToPath(new URL('../../..', import.meta.url))
  const { stdout } = await promisify(execFile)('npm', ['run', 'oncebox', '--', 'migrate', '--print', '--json'], { cwd })
  expect(JSON.parse(stdout)).toMatchObject({ schema: 'oncebox' })
}, 120_000)

test('help loads neither a database driver, nor a Kafka client, nor a logger', async () => {
  const traced = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) { process._rawDebug('loads ' + name); return next(name, context) } })`
  const { stderr } = await oncebox(['relay', 'lanes', '--help'], {
    environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(traced)}` },
  })
  expect(stderr).toContain('loads commander')
  expect(stderr).not.toMatch(/loads (pg|pino|kafkajs|@platformatic|pg-boss|@oncebox\/(?!core))/)
})
