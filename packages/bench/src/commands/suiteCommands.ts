import { type Command, Option } from 'commander'
import { consume } from '../consume.js'
import { inbox } from '../inbox.js'
import { type InboxArm, inboxArms } from '../inboxArms.js'
import { latency } from '../latency.js'
import { observed } from '../observed.js'
import { type PeerArm, peerArms, peers } from '../peers.js'
import { pgbenchArms } from '../pgbenchScripts.js'
import { profile } from '../profile.js'
import type { SuiteResult } from '../results.js'
import { scale } from '../scale.js'
import { write } from '../write.js'
import { writeArms } from '../writeArms.js'
import { count, namesOf, progress } from './arguments.js'

/** The subcommands that print what they measured, whole, as JSON: the table is made of it. */
export function addSuites(program: Command): void {
  program
    .command('write')
    .description('What a message costs the transaction it is written in: transactions a second, WAL.')
    .option('--seconds <n>', 'how long each run writes', count, 5)
    .option('--rounds <n>', 'how often each arm runs', count, 3)
    .addOption(namedArms(Object.keys({ ...writeArms, ...pgbenchArms })))
    .action((flags: { seconds: number; rounds: number; arms?: string[] }) => print(write({ ...flags, progress })))
  program
    .command('latency')
    .description('From the commit to a consumer of Kafka at a steady rate; and what an idle relay costs.')
    .option('--seconds <n>', 'how long each rate is held', count, 10)
    .option('--rounds <n>', 'how often each arm runs', count, 1)
    .action((flags: { seconds: number; rounds: number }) => print(latency({ ...flags, progress })))
  program
    .command('consume')
    .description('How fast records come out of Kafka to a handler that does nothing.')
    .option('--messages <n>', 'records in the topic', count, 200_000)
    .option('--rounds <n>', 'how often each arm runs', count, 3)
    .action((flags: { messages: number; rounds: number }) => print(consume({ ...flags, progress })))
  program
    .command('inbox')
    .description('What handling each message once costs.')
    .option('--messages <n>', 'messages of a run in batches', count, 50_000)
    .option('--remembered <n>', 'ids that are in the inbox before', count, 200_000)
    .option('--rounds <n>', 'how often each arm runs', count, 3)
    .addOption(namedArms(Object.keys(inboxArms)))
    .action((flags: { messages: number; remembered: number; rounds: number; arms?: InboxArm[] }) =>
      print(inbox({ ...flags, progress })),
    )
  program
    .command('scale')
    .description('How the drain moves with backlog, retained rows, keys, payload, topics, an open transaction, lanes.')
    .option('--messages <n>', 'messages that wait where nothing else is said', count, 50_000)
    .option('--large <n>', 'the larger backlog; twice as many are retained', count, 200_000)
    .option('--huge <n>', 'a still larger backlog, such as 10000000 (left out without it)', count)
    .option('--rounds <n>', 'how often each arm runs', count, 1)
    .action(({ huge = 0, ...flags }: { messages: number; large: number; huge?: number; rounds: number }) =>
      print(scale({ ...flags, huge, progress })),
    )
  program
    .command('observed')
    .description('What metrics that are read, and traces of which a tenth is sampled, cost the drain.')
    .option('--messages <n>', 'messages in the backlog', count, 200_000)
    .option('--rounds <n>', 'how often each arm runs', count, 7)
    .action((flags: { messages: number; rounds: number }) => print(observed({ ...flags, progress })))
  program
    .command('peers')
    .description('The drain beside relays that others made: Debezium, pg-transactional-outbox, Watermill.')
    .option('--messages <n>', 'messages in the backlog', count, 200_000)
    .option('--rounds <n>', 'how often each arm runs', count, 1)
    .addOption(namedArms(peerArms))
    .action(({ arms = [...peerArms], ...flags }: { messages: number; rounds: number; arms?: PeerArm[] }) =>
      print(peers({ ...flags, arms, progress })),
    )
  program
    .command('profile')
    .description("Where the relay's process spends its time while it drains.")
    .option('--messages <n>', 'messages in the backlog', count, 200_000)
    .action((flags: { messages: number }) => print(profile({ ...flags, progress })))
}

function namedArms(known: readonly string[]): Option {
  return new Option('--arms <names>', 'comma-separated; all without it').argParser(namesOf(known))
}

async function print(measured: Promise<SuiteResult>): Promise<void> {
  const result = await measured
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  if (result.failures.length > 0) process.exitCode = 1
}
