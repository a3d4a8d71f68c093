import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Dice } from '../../simulation/dice.js'
import { junkText } from '../junk.js'
import type { OpenTarget, Outcome, Target } from '../target.js'
import type { CommandLine, Ending, Vocabulary } from './commandLineHost.js'

/**
 * The command line, in a process of its own in which nothing can be connected to and no process started: it always ends
 * with one of its four exit codes, says what was wrong, connects to nobody where arguments are refused, and never shows
 * a secret or what is a fault in its code.
 */
export const commandLine: Target = {
  name: 'command line',
  cases: { full: 20_000, slice: 400 },
  atOnce: 100,
  open,
}

const host = fileURLToPath(new URL('./commandLineHost.js', import.meta.url))
const endMs = 10_000
const secret = 'canary-secret-5d1c'
const urls = [`postgres://ada:${secret}@127.0.0.1:1/shop`, `postgresql://ada:${secret}@[::1]:1/shop?sslmode=require`]
const values = [
  ...urls,
  `postgres://${secret}:%zz@host`,
  `postgres://ada:${secret}@`,
  'postgres://',
  'localhost:9092',
  'localhost:9092,127.0.0.1:1',
  `kafka://ada:${secret}@localhost:9092`,
  'kafka',
  'kafkajs',
  'pg-boss',
  'orders=billing,audit',
  'plain',
  'scram-sha-512',
  '0',
  '1',
  '-1',
  '1e3',
  '12',
  '99999999999999999999',
  'NaN',
  '2h',
  '2026-11-25T18:00:00Z',
  '2026-99-99T99:99:99Z',
  '/nonexistent/file.pem',
  '.',
  'silent',
  'debug',
  '019b7000-0000-7000-8000-000000000001',
  'list',
  'retry',
  'discard',
  'show',
  '--',
  '-',
  '--=',
  '--json=1',
  '-x',
  'orders',
  'x'.repeat(70_000),
]
const settings = [
  'DATABASE_URL',
  'KAFKA_BROKERS',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_TLS_CA',
  'KAFKA_TLS_CERT',
  'KAFKA_TLS_KEY',
  'ONCEBOX_SCHEMA',
  'ONCEBOX_TRANSPORT',
  'ONCEBOX_LOG_LEVEL',
  'ONCEBOX_HTTP_PORT',
  'ONCEBOX_HTTP_HOST',
  'ONCEBOX_WEBHOOK_URL',
]

function make(dice: Dice, { verbs, flags }: Vocabulary): CommandLine {
  const value = (): string => (dice.chance(0.7) ? dice.pick(values) : junkText(dice))
  const verb = dice.chance(0.95) ? dice.pick(verbs) : value()
  const own = flags[verb] ?? []
  const words: string[] = []
  for (let count = dice.below(6); count > 0; count--) {
    const flag = dice.chance(0.85) && own.length > 0 ? dice.pick(own) : `--${junkText(dice)}`
    if (dice.chance(0.25)) words.push(value())
    else if (dice.chance(0.3)) words.push(flag)
    else if (dice.chance(0.2)) words.push(`${flag}=${value()}`)
    else words.push(flag, value())
  }
  const environment: Record<string, string> = {}
  if (dice.chance(0.5)) environment.DATABASE_URL = dice.pick(urls)
  if (dice.chance(0.3)) environment.KAFKA_BROKERS = 'localhost:9092'
  for (let count = dice.below(3); count > 0; count--) environment[dice.pick(settings)] = value().replaceAll('\0', '')
  if (environment.ONCEBOX_SCHEMA?.includes(secret)) delete environment.ONCEBOX_SCHEMA
  for (const name of ['KAFKA_SASL_PASSWORD', 'ONCEBOX_WEBHOOK_SECRET', 'ONCEBOX_DASHBOARD_TOKEN']) {
    if (dice.chance(0.3)) environment[name] = secret
  }
  return { argv: harmless(verb, dice.chance(0.97) ? [verb, ...words] : words), environment }
}

/**
 * `init` writes files where it is told, which stays in its directory; the demo, which starts servers, is refused; and
 * what is said to be the name of a role or a schema is printed in SQL, as it has to be.
 */
function harmless(verb: string, argv: string[]): string[] {
  if (argv.includes('demo')) return [...argv, '--no-such-flag']
  const named = ['init', 'roles', 'migrate'].includes(verb) ? argv.filter((word) => !word.includes(secret)) : argv
  return verb === 'init' ? named.map((word) => word.replaceAll('/', '').replaceAll('..', '')) : named
}

async function open(): Promise<OpenTarget<CommandLine>> {
  const child = fork(host, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit').then(() => null)
  const message = async <T>(): Promise<T | null> =>
    Promise.race([once(child, 'message').then(([sent]) => sent as T), ended])
  const vocabulary = await message<Vocabulary>()
  if (vocabulary === null) throw new Error('the process that runs the command line could not be started')
  return {
    make: (dice) => make(dice, vocabulary),
    async tryAll(cases) {
      const answer = message<Ending[]>()
      if (child.connected) child.send(cases)
      const endings = (await answer) ?? []
      return cases.map((one, index) => judge(one, endings[index]))
    },
    async [Symbol.asyncDispose]() {
      // Let go, it takes its directory away and ends; one that hangs is ended.
      if (child.connected) child.disconnect()
      const late = setTimeout(() => child.kill('SIGKILL'), endMs)
      await ended
      clearTimeout(late)
    },
  }
}

function judge({ argv, environment }: CommandLine, ending: Ending | undefined): Outcome {
  if (ending === undefined) return { broken: 'the process ended' }
  const { code, thrown, output, errors, connections } = ending
  if (thrown !== null) return { broken: `not caught: ${thrown}` }
  const said = `exit code ${code}, and said ${errors.slice(0, 2_000)}`
  if (![0, 1, 2, 3].includes(code)) return { broken: said }
  if (code === 2 && connections > 0)
    return { broken: `connected to somebody although the arguments are wrong: ${said}` }
  const silent = argv.some((word) => /silent$/.test(word)) || environment.ONCEBOX_LOG_LEVEL === 'silent'
  if (code > 1 && errors === '' && !silent) return { broken: `said nothing, exit code ${code}` }
  if (`${output}${errors}`.includes(secret)) return { broken: `shows a secret: ${said}` }
  if (errors.split('\n').some(isFaultInCode)) return { broken: said }
  return code === 0 ? 'taken' : 'refused'
}

/** A failure without a code is one that nobody thought of. */
function isFaultInCode(line: string): boolean {
  if (/^\s+at .*[:(]/.test(line)) return true
  if (!line.startsWith('{')) return false
  const { level, code } = JSON.parse(line) as { level?: string; code?: string }
  return level === 'error' && (code === undefined || code.startsWith('ERR_'))
}
