import type { Command } from 'commander'
import { withCommonFlags } from '../flags/commonFlags.js'
import { withConsumerFlags } from '../flags/consumerFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { age } from '../flags/deadLetterFlags.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import type { DoctorFlags } from '../verbs/doctor.js'
import type { LagFlags } from '../verbs/lag.js'
import type { RolesFlags } from '../verbs/roles.js'
import type { ShowFlags } from '../verbs/show.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `lag` */
export function addLag(program: Command, run: RunVerb): void {
  const command = program
    .command('lag')
    .summary('say how far relay and consumers are behind, in messages and seconds')
    .description(
      'What waits for the relay, lane by lane, and with brokers what waits for each consumer group, partition by ' +
        'partition. Exit 1 when something has waited longer than --over.',
    )
    .option('--over <age>', 'what is too long: 30s, 15m, 2h', age, 60_000)
  withCommonFlags(withDatabaseFlags(withConsumerFlags(withTransportFlags(command))), 'one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox lag --brokers localhost:9092',
        'oncebox lag --over 5m --consumer-url postgres://billing@db2/billing --brokers localhost:9092',
        "oncebox lag --json | jq '.lanes[].seconds'",
      ),
    )
    .action((flags: LagFlags) => run(flags, async (console) => (await import('../verbs/lag.js')).lag(flags, console)))
}

/** `doctor` */
export function addDoctor(program: Command, run: RunVerb): void {
  const command = program
    .command('doctor')
    .summary('look for everything that is wrong, and say what mends it')
    .description(
      'Goes through a list of checks: rights, migrations, relay, storage, settings, clocks, open transactions, and with ' +
        'brokers the topics. Says of each finding why it matters and what to type. Changes nothing. Exit 1 when there ' +
        'is a problem; advice alone is exit 0.',
    )
    .option('--retention <age>', 'how long the relay keeps published messages', age, 3 * 86_400_000)
    .option('--horizon <age>', 'how long consumers remember an id', age, 7 * 86_400_000)
    .option('--open <age>', 'how long a transaction may be open', age, 300_000)
  withCommonFlags(withDatabaseFlags(withConsumerFlags(withTransportFlags(command))), 'one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox doctor --brokers localhost:9092',
        'oncebox doctor --consumer-url postgres://billing@db2/billing',
        "oncebox doctor --json | jq '.databases[].checks[].findings[]'",
      ),
    )
    .action((flags: DoctorFlags) =>
      run(flags, async (console) => (await import('../verbs/doctor.js')).doctor(flags, console)),
    )
}

/** `roles` */
export function addRoles(program: Command, run: RunVerb): void {
  const command = program
    .command('roles')
    .summary('print the rights that producer, relay, consumer, operator and viewer need')
    .description(
      'Prints SQL that gives roles what they need and no more, and creates those that are missing, without login. ' +
        'Without names: all five, as SCHEMA_producer, SCHEMA_relay and so on, to be granted to the users of services. ' +
        'The owner runs it, again after every upgrade; "oncebox migrate --roles" runs it for all five. Needs no database.',
    )
    .optionsGroup('Who:')
    .option('--producer <role>', 'writes messages, and reads none')
    .option('--relay <role>', 'publishes and reclaims')
    .option('--consumer <role>', 'inbox, offsets, dead letters, guards')
    .option('--operator <role>', 'reads everything, decides about dead letters, replays')
    .option('--viewer <role>', 'status, lag, doctor: no payload')
  withCommonFlags(withDatabaseFlags(command), 'the SQL in one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox roles',
        'oncebox roles --producer shop --relay relay | psql $DATABASE_URL',
        'oncebox migrate --roles && psql $DATABASE_URL -c "grant oncebox_producer to shop"',
      ),
    )
    .action((flags: RolesFlags) =>
      run(flags, async (console) => (await import('../verbs/roles.js')).roles(flags, console)),
    )
}

/** `show ID` */
export function addShow(program: Command, run: RunVerb): void {
  const command = program
    .command('show')
    .summary('follow one message: written, published, consumed')
    .description(
      'When the message was written and by which transaction, when it was published and to which partition and offset, ' +
        'and what each consumer group made of it. Shows its key, never its payload. Exit 1 when nobody knows it.',
    )
    .argument('<id>', 'the global id of the message')
    .option('--everywhere', 'look through everything that is retained: finds copies by a replay, and takes longer')
  withCommonFlags(withDatabaseFlags(withConsumerFlags(command)), 'one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox show 01a2143c-7a46-718b-ac8e-3d4f54d8b24d',
        'oncebox show 01a2143c-7a46-718b-ac8e-3d4f54d8b24d --consumer-url postgres://ops@db2/billing',
      ),
    )
    .action((id: string, flags: ShowFlags) =>
      run(flags, async (console) => (await import('../verbs/show.js')).show(id, flags, console)),
    )
}
