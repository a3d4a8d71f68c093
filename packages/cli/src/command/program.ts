import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import type { CommonFlags } from '../flags/commonFlags.js'
import { addBench } from './benchVerb.js'
import { addDashboard } from './dashboardVerb.js'
import { addDead } from './deadVerb.js'
import { exitCode } from './exitCode.js'
import { addDoctor, addLag, addRoles, addShow } from './opsVerbs.js'
import { addPause, addResume } from './pauseVerbs.js'
import { createRedactor } from './redaction.js'
import { addReplay, addVerify } from './replayVerb.js'
import { runVerb, type Verb } from './runVerb.js'
import { addCompletion, addInit, addPrune } from './setupVerbs.js'
import { addTopics } from './topicsVerb.js'
import { addDemo, addLanes, addMigrate, addPlan, addRelay, addStatus, addTail } from './verbs.js'

/** Registers a verb's work: runs it and keeps its exit code. */
export type RunVerb = (flags: CommonFlags, verb: Verb) => Promise<void>

/** Parses a command line and runs its verb. Resolves to the exit code; never throws for a wrong command line. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let result: number = exitCode.fine
  const run: RunVerb = async (flags, verb) => {
    result = await runVerb(flags, verb)
  }
  if (argv.some((word) => word.includes('\0'))) {
    process.stderr.write('error: an argument holds a NUL character\n')
    return exitCode.usage
  }
  try {
    await createProgram(run).parseAsync([...argv])
    return result
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? exitCode.fine : exitCode.usage
  }
}

function createProgram(run: RunVerb): Command {
  const { KAFKA_SASL_PASSWORD, ONCEBOX_WEBHOOK_SECRET, ONCEBOX_DASHBOARD_TOKEN } = process.env
  const redact = createRedactor([KAFKA_SASL_PASSWORD, ONCEBOX_WEBHOOK_SECRET, ONCEBOX_DASHBOARD_TOKEN])
  const program = new Command('oncebox')
    .description('Transactional outbox and inbox on Postgres: what a transaction emits is delivered, once in effect.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('--help', 'explain a verb')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('Try --help.')
    .configureOutput({ outputError: (text, write) => write(redact(text)) })
    .addHelpText('after', () => epilogue)
  addMigrate(program, run)
  addPlan(program, run)
  addRelay(program, run)
  addLanes(program, run)
  addPause(program, run)
  addResume(program, run)
  addTopics(program, run)
  addStatus(program, run)
  addTail(program, run)
  addShow(program, run)
  addLag(program, run)
  addDoctor(program, run)
  addRoles(program, run)
  addDead(program, run)
  addReplay(program, run)
  addVerify(program, run)
  addPrune(program, run)
  addInit(program, run)
  addCompletion(program, run)
  addDashboard(program, run)
  addDemo(program, run)
  addBench(program, run)
  return program
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const epilogue = `
Exit codes: 0 fine, 1 a problem was found, 2 wrong usage, 3 database or brokers cannot be reached.

First steps:
  $ export DATABASE_URL=postgres://postgres@localhost:5432/shop
  $ oncebox migrate
  $ psql $DATABASE_URL -c "select oncebox.emit('orders', 'o-1', 'order.created', '{\\"id\\":\\"o-1\\"}'::jsonb)"
  $ oncebox relay --brokers localhost:9092 --create-topics 12 --until-idle`
