import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { withHttpFlags } from '../flags/httpFlags.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import { withWebhookFlags } from '../flags/webhookFlags.js'
import type { DemoFlags } from '../verbs/demo.js'
import type { LanesFlags } from '../verbs/lanes.js'
import type { MigrateFlags } from '../verbs/migrate.js'
import type { PlanFlags } from '../verbs/plan.js'
import type { RelayFlags } from '../verbs/relay.js'
import type { StatusFlags } from '../verbs/status.js'
import type { TailFlags } from '../verbs/tail.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

// A verb's module is imported when the verb runs: the command line is parsed, and help shown, without a database
// driver or a Kafka client being loaded.

/** `migrate [--print] [--from N] [--roles]` */
export function addMigrate(program: Command, run: RunVerb): void {
  const command = program
    .command('migrate')
    .summary('apply pending migrations, or print them as SQL')
    .description(
      'Brings the schema to the version of this package. Any number of processes may run it at once. With --print it ' +
        'writes plain SQL to stdout, for a migration tool that you already have, and needs no database.',
    )
    .option('--print', 'print the SQL instead of running it')
    .option('--roles', 'then give roles their rights, as "oncebox roles" prints them')
    .option('--from <version>', 'with --print: the first migration to print', wholeNumber(1))
  withCommonFlags(withDatabaseFlags(command), 'what was applied as one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox migrate --database-url postgres://owner@localhost/shop',
        'oncebox migrate --roles',
        'oncebox migrate --print > V7__oncebox.sql',
        'oncebox migrate --print --from 6 > V8__oncebox.sql',
      ),
    )
    .action((flags: MigrateFlags) =>
      run(flags, async (console) => (await import('../verbs/migrate.js')).migrate(flags, console)),
    )
}

/** `plan` */
export function addPlan(program: Command, run: RunVerb): void {
  const command = program
    .command('plan')
    .summary('say what migrate would do; exit 1 unless that is nothing')
    .description('Compares the migrations of this package with those recorded in the database, and changes nothing.')
  withCommonFlags(withDatabaseFlags(command), 'the plan as one JSON document on stdout')
    .addHelpText('after', examples('oncebox plan', 'oncebox plan --json | jq .migrations'))
    .action((flags: PlanFlags) =>
      run(flags, async (console) => (await import('../verbs/plan.js')).plan(flags, console)),
    )
}

/** `relay [--until-idle] [--lease-ms N] [--create-topics N] [--deadline-ms N]` */
export function addRelay(program: Command, run: RunVerb): void {
  const command = program
    .command('relay')
    .summary('publish the outbox')
    .description(
      'Publishes committed messages until it is stopped. Run as many as you like: one publishes, the others stand by ' +
        'and take over. SIGTERM or SIGINT stops it in an orderly way, a second one at once.',
    )
    .option('--lane <number>', 'serve this lane only; may be given several times (default: every lane)', laneNumbers)
    .option('--until-idle', 'publish what is there, then exit (1 when messages had to be left aside)')
    .option('--create-topics <partitions>', 'create missing topics (default: wait for them)', wholeNumber(1))
    .option(
      '--lease-ms <ms>',
      'after this long without a sign of life another relay takes over',
      wholeNumber(1000),
      10_000,
    )
    .option('--deadline-ms <ms>', 'how long a stop may take', wholeNumber(0), 10_000)
  withHttpFlags(command)
  withCommonFlags(
    withDatabaseFlags(withTransportFlags(withWebhookFlags(command))),
    'one JSON document an event on stdout',
  )
    .addHelpText(
      'after',
      examples(
        'oncebox relay --brokers localhost:9092',
        'oncebox relay --brokers localhost:9092 --create-topics 12 --until-idle',
        'oncebox relay --transport pg-boss --topic orders=billing,audit',
        'oncebox relay --brokers localhost:9092 --lane 0 --lane 1',
        'oncebox relay --brokers localhost:9092 --http-port 9464',
        'oncebox relay --json | jq \'select(.event == "lease_lost")\'',
      ),
    )
    .action((flags: RelayFlags) =>
      run(flags, async (console) => (await import('../verbs/relay.js')).relay(flags, console)),
    )
}

const laneNumber = wholeNumber(0)

function laneNumbers(text: string, before: readonly number[] | undefined): number[] {
  return [...(before ?? []), laneNumber(text)]
}

/** `lanes [number]` */
export function addLanes(program: Command, run: RunVerb): void {
  const command = program
    .command('lanes')
    .summary('say how many lanes there are, or change their number')
    .description(
      'Keys are shared out over the lanes, and each lane is published by one relay at a time: more lanes let more relays ' +
        'publish. The number may be changed while relays run; order per key stays.',
    )
    .argument('[number]', 'how many lanes there are to be, 1 to 64', wholeNumber(1))
  withCommonFlags(withDatabaseFlags(command), 'one JSON document on stdout')
    .addHelpText('after', examples('oncebox lanes', 'oncebox lanes 2'))
    .action((wanted: number | undefined, flags: LanesFlags) =>
      run(flags, async (console) => (await import('../verbs/lanes.js')).lanes(wanted, flags, console)),
    )
}

/** `status [--watch]` */
export function addStatus(program: Command, run: RunVerb): void {
  const command = program
    .command('status')
    .summary('show lanes, consumers and storage; exit 1 when something is wrong')
    .description(
      'Shows who publishes and what waits, how far each consumer group is, how full the storage is, and what will not ' +
        'mend itself, with what to type next. Reads only.',
    )
    .option(
      '--watch',
      'a live screen with rates and charts, until stopped; a line every two seconds where there is no terminal',
    )
  withCommonFlags(withDatabaseFlags(command), 'the account as one JSON document a line on stdout')
    .addHelpText(
      'after',
      examples('oncebox status', 'oncebox status --watch', "oncebox status --json | jq '.lanes[].waiting'"),
    )
    .action((flags: StatusFlags) =>
      run(flags, async (console) => (await import('../verbs/status.js')).status(flags, console)),
    )
}

/** `tail` */
export function addTail(program: Command, run: RunVerb): void {
  const command = program
    .command('tail')
    .summary('follow the outbox')
    .description(
      'Prints the newest messages of the outbox, then every message as its transaction commits, published or not, until ' +
        'it is stopped; with --published every message as the relay publishes it, with partition and offset. Shows what a ' +
        'message is, never its payload.',
    )
    .option(
      '--last <count>',
      'how many of the newest to begin with (filtered: of the newest 10,000)',
      wholeNumber(0),
      10,
    )
    .option('--published', 'as they are published, from now on, instead of as they are written')
    .optionsGroup('Which:')
    .option('--topic <name>', 'of this topic')
    .option('--key <key>', 'with this key')
    .option('--type <name>', 'of this message type')
    .option('--lane <number>', 'of this lane', wholeNumber(0))
  withCommonFlags(withDatabaseFlags(command), 'one JSON document a message on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox tail',
        'oncebox tail --topic orders --type order.created',
        'oncebox tail --published --key o-17 --json',
      ),
    )
    .action((flags: TailFlags) =>
      run(flags, async (console) => (await import('../verbs/tail.js')).tail(flags, console)),
    )
}

/** `demo [--messages N] [--seed N] [--kafka]` */
export function addDemo(program: Command, run: RunVerb): void {
  const command = program
    .command('demo')
    .summary('watch it survive: kills, duplicates, rollbacks, and the account')
    .description(
      'Starts a Postgres of its own, an order service, a relay and a billing service; kills the relay and the consumer ' +
        'again and again, makes duplicates happen, rolls producers back; then settles the account from the business ' +
        'tables. Needs @oncebox/testkit, and no server. Exit 1 if anything is lost, applied twice or out of order.',
    )
    .option('--messages <count>', 'orders to place', wholeNumber(1), 5_000)
    .option('--seed <number>', 'picks the faults; the same seed plans the same ones', wholeNumber(0), 1)
    .option('--kafka', 'a real Kafka (KAFKA_BROKERS, or one that is launched) instead of pg-boss')
    .option('--dashboard', 'serve the dashboard meanwhile, and after the account until Ctrl-C')
  withCommonFlags(command, 'the account as one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox demo',
        'oncebox demo --messages 20000 --dashboard',
        'oncebox demo --messages 20000 --seed 7',
        'oncebox demo --kafka --json | jq .lost',
      ),
    )
    .action((flags: DemoFlags) =>
      run(flags, async (console) => (await import('../verbs/demo.js')).demo(flags, console)),
    )
}
