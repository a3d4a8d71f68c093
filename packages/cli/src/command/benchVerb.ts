import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseUrl } from '../flags/databaseFlags.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import type { BenchFlags } from '../verbs/bench.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `bench [--messages N]` */
export function addBench(program: Command, run: RunVerb): void {
  const command = program
    .command('bench')
    .summary('measure it on your own Postgres and Kafka')
    .description(
      'Measures, in less than half a minute, how fast a relay drains a backlog beside the limits of reading and producing, ' +
        'what a message costs its transaction, and how long one takes to a consumer. Works in a schema and a topic of ' +
        'its own, which it removes, also when it is interrupted. Needs the right to create both.',
    )
    .option('--messages <count>', 'messages of 200 bytes in the backlog', wholeNumber(1), 50_000)
  withCommonFlags(withDatabaseUrl(withTransportFlags(command)), 'what was measured as one JSON document on stdout')
    .addHelpText(
      'after',
      examples('oncebox bench --brokers localhost:9092', 'oncebox bench --messages 500000 --json | jq .drain'),
    )
    .action((flags: BenchFlags) =>
      run(flags, async (console) => (await import('../verbs/bench.js')).bench(flags, console)),
    )
}
