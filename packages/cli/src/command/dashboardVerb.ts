import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withConsumerFlags } from '../flags/consumerFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import type { DashboardFlags } from '../verbs/dashboard.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `dashboard [--port N] [--host H] [--actions] [--payloads]` */
export function addDashboard(program: Command, run: RunVerb): void {
  const command = program
    .command('dashboard')
    .summary('serve a page that shows the flow of messages, and what is stuck')
    .description(
      'Shows the way of messages as it is now, finds any message, and says what is stuck and why. Only this machine may ' +
        'look, and only look, unless told otherwise. With ONCEBOX_DASHBOARD_TOKEN set, a browser asks for it as the ' +
        'password, and the user name stands beside every decision. Needs @oncebox/dashboard.',
    )
    .option('--port <number>', 'where to listen; 0: any that is free', wholeNumber(0), 8_080)
    .option('--host <address>', 'whom to listen to; others than this machine need a token', '127.0.0.1')
    .option('--actions', 'allow to retry, discard, pause, resume and replay')
    .option('--payloads', 'show payloads and headers')
  withCommonFlags(
    withDatabaseFlags(withConsumerFlags(withTransportFlags(command))),
    'the address as one JSON document on stdout',
  )
    .addHelpText(
      'after',
      examples(
        'oncebox dashboard',
        'oncebox dashboard --brokers localhost:9092 --actions --payloads',
        'oncebox dashboard --consumer-url postgres://ops@db2/billing',
        'ONCEBOX_DASHBOARD_TOKEN=$(openssl rand -hex 24) oncebox dashboard --host 0.0.0.0 --port 9000',
      ),
    )
    .action((flags: DashboardFlags) =>
      run(flags, async (console) => (await import('../verbs/dashboard.js')).dashboard(flags, console)),
    )
}
